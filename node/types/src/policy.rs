//! Storage policies: the `[storage-policy:N]` sections of swift.conf.

use crate::conf::{ConfError, Ini, OptionError, Options};
use thiserror::Error;

/// How a policy keeps its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyKind {
    /// Whole copies.
    Replication,
    /// Data and parity fragments.
    ErasureCoding {
        /// The library's name for the code, `liberasurecode_rs_vand` for example.
        ec_type: String,
        /// Data fragments an object.
        data_fragments: usize,
        /// Parity fragments an object.
        parity_fragments: usize,
        /// Bytes of an object that are coded together.
        segment_size: u64,
        /// How often each fragment is kept.
        duplication_factor: usize,
    },
}

/// One storage policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its index, which can never change: it is part of paths on disk.
    pub index: u32,
    /// Its names, the first being the one that is shown.
    pub names: Vec<String>,
    /// Whether new containers get it.
    pub is_default: bool,
    /// Whether new containers may not have it.
    pub is_deprecated: bool,
    /// How it keeps objects.
    pub kind: PolicyKind,
}

/// Every policy of a cluster, in order of index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    list: Vec<Policy>,
}

/// Why the policies cannot be as they are.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// One section is wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The section could not be read.
    #[error(transparent)]
    Conf(#[from] Box<ConfError>),
    /// They do not fit together.
    #[error("{0}")]
    Set(String),
}

/// Swift's name of policy 0 where none is configured.
const LEGACY_NAME: &str = "Policy-0";
const KNOWN: [&str; 12] = [
    "name",
    "aliases",
    "policy_type",
    "default",
    "deprecated",
    "diskfile_module",
    "ec_type",
    "ec_num_data_fragments",
    "ec_num_parity_fragments",
    "ec_object_segment_size",
    "ec_duplication_factor",
    "log_name",
];

impl Policy {
    /// Its shown name.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// `base`, with `-<index>` but for policy 0: the names of rings and folders (`objects-1`).
    pub fn path_name(&self, base: &str) -> String {
        path_name(base, self.index)
    }

    fn read(index_text: &str, o: &Options) -> Result<Self, OptionError> {
        let index = index_text.parse().map_err(|_| {
            o.error("index", format!("storage-policy:{index_text}: the index is not a number"))
        })?;
        if let Some((option, _)) = o.iter().find(|(key, _)| !KNOWN.contains(key)) {
            return Err(o.error(option, "is no option of a storage policy"));
        }
        let primary = match o.str("name") {
            None | Some("") if index == 0 => LEGACY_NAME,
            other => other.unwrap_or_default(),
        };
        let mut names = Vec::new();
        for name in std::iter::once(primary.to_owned()).chain(o.list("aliases", "")) {
            check_name(&name, index, &names).map_err(|why| o.error("name", why))?;
            names.push(name);
        }
        let is_default = o.bool("default", false);
        let is_deprecated = o.bool("deprecated", false);
        if is_default && is_deprecated {
            return Err(o.error("deprecated", "a deprecated policy can not be the default"));
        }
        let kind = match o.str("policy_type").unwrap_or("replication") {
            "replication" => PolicyKind::Replication,
            "erasure_coding" => read_erasure_coding(o)?,
            _ => return Err(o.error("policy_type", "is neither replication nor erasure_coding")),
        };
        Ok(Self { index, names, is_default, is_deprecated, kind })
    }
}

/// `base`, with `-<index>` but for index 0.
pub fn path_name(base: &str, index: u32) -> String {
    if index == 0 { base.to_owned() } else { format!("{base}-{index}") }
}

/// Undoes [`path_name`]: the policy index in the name of a folder such as `objects-1`.
pub fn index_of_path_name(base: &str, name: &str) -> Option<u32> {
    match name.strip_prefix(base)? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse().ok().filter(|i| *i > 0 && name == path_name(base, *i)),
    }
}

fn check_name(name: &str, index: u32, taken: &[String]) -> Result<(), String> {
    if name.is_empty() {
        return Err("a policy needs a name".to_owned());
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(format!("the name {name:?} may hold letters, digits and - alone"));
    }
    if index != 0 && name.eq_ignore_ascii_case(LEGACY_NAME) {
        return Err(format!("the name {name} is kept for policy index 0"));
    }
    if taken.iter().any(|other| other.eq_ignore_ascii_case(name)) {
        return Err(format!("the name {name} is given twice"));
    }
    Ok(())
}

fn read_erasure_coding(o: &Options) -> Result<PolicyKind, OptionError> {
    let required = |option: &str| {
        let number: usize = o.int(option, 0)?;
        if number == 0 { Err(o.error(option, "must be a number above 0")) } else { Ok(number) }
    };
    let ec_type =
        o.str("ec_type").filter(|t| !t.is_empty()).ok_or_else(|| o.error("ec_type", "is missing"))?;
    Ok(PolicyKind::ErasureCoding {
        ec_type: ec_type.to_owned(),
        data_fragments: required("ec_num_data_fragments")?,
        parity_fragments: required("ec_num_parity_fragments")?,
        segment_size: o.int("ec_object_segment_size", 1_048_576)?,
        duplication_factor: o.int("ec_duplication_factor", 1)?,
    })
}

impl Default for Policies {
    /// Swift's policy 0 alone.
    fn default() -> Self {
        Self::new(Vec::new()).expect("no policy at all is always right")
    }
}

impl Policies {
    /// Checks that the policies fit together; none at all is Swift's policy 0 alone.
    pub fn new(mut list: Vec<Policy>) -> Result<Self, PolicyError> {
        let fail = |why: String| Err(PolicyError::Set(why));
        list.sort_by_key(|policy| policy.index);
        if list.is_empty() {
            list.push(Policy {
                index: 0,
                names: vec![LEGACY_NAME.to_owned()],
                is_default: true,
                is_deprecated: false,
                kind: PolicyKind::Replication,
            });
        }
        if list[0].index != 0 {
            return fail("a storage policy of index 0 is needed where there are others".to_owned());
        }
        for (at, policy) in list.iter().enumerate() {
            for other in &list[..at] {
                if other.index == policy.index {
                    return fail(format!("storage policy index {} is there twice", policy.index));
                }
                let same = |name: &&String| other.names.iter().any(|n| n.eq_ignore_ascii_case(name));
                if let Some(name) = policy.names.iter().find(same) {
                    return fail(format!(
                        "storage policies {} and {} share the name {name}",
                        other.index, policy.index
                    ));
                }
            }
        }
        if list.iter().all(|policy| policy.is_deprecated) {
            return fail("every storage policy is deprecated".to_owned());
        }
        match list.iter().filter(|policy| policy.is_default).count() {
            0 if list.len() == 1 => list[0].is_default = true,
            1 => {}
            0 => return fail("one storage policy must say default = yes".to_owned()),
            _ => return fail("more than one storage policy says default = yes".to_owned()),
        }
        Ok(Self { list })
    }

    /// Reads the `[storage-policy:N]` sections of swift.conf.
    pub fn from_ini(ini: &Ini) -> Result<Self, PolicyError> {
        let mut list = Vec::new();
        for section in ini.sections() {
            if let Some(index) = section.strip_prefix("storage-policy:") {
                list.push(Policy::read(index, &ini.daemon(section).map_err(Box::new)?)?);
            }
        }
        Self::new(list)
    }

    /// All of them, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.list.iter()
    }

    /// The policy that new containers get.
    pub fn default_policy(&self) -> &Policy {
        self.list.iter().find(|policy| policy.is_default).expect("checked when made")
    }

    /// The policy of that index.
    pub fn by_index(&self, index: u32) -> Option<&Policy> {
        self.list.iter().find(|policy| policy.index == index)
    }

    /// The policy of that name or alias, in any case.
    pub fn by_name(&self, name: &str) -> Option<&Policy> {
        self.list.iter().find(|policy| policy.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
    }

    /// The policy that a header names by its index; a missing or empty one is policy 0.
    pub fn by_header(&self, value: Option<&str>) -> Option<&Policy> {
        match value {
            None | Some("") => self.by_index(0),
            Some(text) => self.by_index(text.trim().parse().ok()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(text: &str) -> Result<Policies, PolicyError> {
        Policies::from_ini(&Ini::parse("swift.conf", text).expect("parses"))
    }

    #[test]
    fn none_is_policy_0() {
        let p = policies("[swift-hash]\n").unwrap();
        assert_eq!(p.default_policy().name(), "Policy-0");
        assert_eq!(p.by_header(None).map(|p| p.index), Some(0));
        assert_eq!(p.by_header(Some("7")), None);
    }

    #[test]
    fn several_need_index_0_and_one_default() {
        let p = policies(
            "[storage-policy:1]\nname=silver\naliases=s, t\n[storage-policy:0]\nname=gold\ndefault=yes\n",
        )
        .unwrap();
        assert_eq!(p.default_policy().name(), "gold");
        assert_eq!(p.by_name("S").map(|p| p.path_name("objects")), Some("objects-1".to_owned()));
        for bad in [
            "[storage-policy:1]\nname=a\n",
            "[storage-policy:0]\nname=a\n[storage-policy:1]\nname=b\n",
            "[storage-policy:0]\nname=a\ndefault=1\n[storage-policy:1]\nname=A\n",
            "[storage-policy:0]\nname=a b\n",
            "[storage-policy:0]\nname=a\ncolour=red\n",
            "[storage-policy:0]\nname=a\ndeprecated=yes\n",
            "[storage-policy:0]\nname=a\npolicy_type=magic\n",
            "[storage-policy:x]\nname=a\n",
            "[storage-policy:0]\nname=a\npolicy_type=erasure_coding\nec_type=isa\n",
        ] {
            assert!(policies(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn folder_names_read_back() {
        assert_eq!(index_of_path_name("objects", "objects"), Some(0));
        assert_eq!(index_of_path_name("objects", "objects-12"), Some(12));
        for none in ["objects-0", "objects-", "objects-01", "object", "objectsx"] {
            assert_eq!(index_of_path_name("objects", none), None, "{none}");
        }
    }
}
