//! How the objects of a policy lie on disk: whole, or as fragments.

use super::location::DirKind;
use std::path::Path;
use std::time::Duration;
use swiftlet_types::Policies;
use swiftlet_types::policy::PolicyKind;

/// How a policy's objects lie in their hash folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// One `.data` file is the object.
    #[default]
    Whole,
    /// Each `.data` file is one fragment of it, and counts once its PUT was committed.
    Fragments(FragmentRules),
}

impl Layout {
    /// That of a policy of this kind.
    pub fn of_kind(kind: &PolicyKind) -> Self {
        let count = fragment_count(kind);
        count.map_or(Self::Whole, |count| {
            Self::Fragments(FragmentRules { count, commit_window: COMMIT_WINDOW })
        })
    }
}

/// How many different fragments an object has; `None` where it is whole.
fn fragment_count(kind: &PolicyKind) -> Option<u32> {
    match kind {
        PolicyKind::Replication => None,
        PolicyKind::ErasureCoding { data_fragments, parity_fragments, .. } => {
            u32::try_from(data_fragments.saturating_add(*parity_fragments)).ok()
        }
    }
}

/// What holds for the fragments of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentRules {
    /// Different fragments an object: their indexes are less than this.
    pub count: u32,
    /// `commit_window`: a fragment written so lately may yet be committed, however old its timestamp is.
    pub commit_window: Duration,
}

/// Swift's default for `commit_window`.
pub(super) const COMMIT_WINDOW: Duration = Duration::from_secs(60);

/// The layouts of a cluster's policies.
#[derive(Debug, Clone)]
pub struct Layouts {
    /// `commit_window`
    pub commit_window: Duration,
    /// Index and number of fragments of each policy that is erasure coded.
    fragment_counts: Vec<(u32, u32)>,
}

impl Default for Layouts {
    /// Where no policy is erasure coded.
    fn default() -> Self {
        Self { commit_window: COMMIT_WINDOW, fragment_counts: Vec::new() }
    }
}

impl Layouts {
    /// Takes over what `policies` say.
    pub fn set_policies(&mut self, policies: &Policies) {
        self.fragment_counts = policies
            .iter()
            .filter_map(|policy| Some((policy.index, fragment_count(&policy.kind)?)))
            .collect();
    }

    /// That of a policy.
    pub fn of_policy(&self, policy: u32) -> Layout {
        let commit_window = self.commit_window;
        let counts = self.fragment_counts.iter().find(|(index, _)| *index == policy);
        counts.map_or(Layout::Whole, |(_, count)| {
            Layout::Fragments(FragmentRules { count: *count, commit_window })
        })
    }

    /// That of the hash folder `dir`, whose place tells its policy.
    pub fn of_hash_dir(&self, dir: &Path) -> Layout {
        let policy = || DirKind::Objects.policy_of(dir.ancestors().nth(3)?.file_name()?.to_str()?);
        match self.fragment_counts.is_empty() {
            true => Layout::Whole,
            false => policy().map_or(Layout::Whole, |policy| self.of_policy(policy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_types::conf::Ini;

    #[test]
    fn folders_tell_how_their_objects_lie() {
        let conf = "[storage-policy:0]\nname=a\ndefault=yes\n[storage-policy:2]\nname=ec\npolicy_type=erasure_coding\n\
                    ec_type=liberasurecode_rs_vand\nec_num_data_fragments=4\nec_num_parity_fragments=2\n";
        let ini = Ini::parse("swift.conf", conf).expect("parses");
        let mut layouts = Layouts::default();
        layouts.set_policies(&Policies::from_ini(&ini).expect("two policies"));
        let fragments = Layout::Fragments(FragmentRules { count: 6, commit_window: COMMIT_WINDOW });
        assert_eq!(layouts.of_hash_dir(Path::new("/srv/node/sda/objects-2/7/abc/0123abc")), fragments);
        assert_eq!(layouts.of_hash_dir(Path::new("/srv/node/sda/objects/7/abc/0123abc")), Layout::Whole);
        assert_eq!(layouts.of_hash_dir(Path::new("/x")), Layout::Whole);
    }
}
