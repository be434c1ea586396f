//! Storing a container, and an object, in so many partitions of each ring.

use super::progress::{CLEAR_LINE, Progress};
use super::settings::{CONTAINER_ONLY, INSECURE, OBJECT_ONLY, POLICY_NAME, Settings, exit};
use super::user::{User, UserError};
use crate::cli::foreground::runtime;
use crate::cli::optparse::{Given, HELP, Known, Program};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::ffi::OsString;
use std::io::{Write, stdout};
use std::process::ExitCode;
use swiftlet_ring::Ring;
use swiftlet_types::python::int;

const CONTAINER_SUFFIX: Known = Known { letter: None, name: "container-suffix-start", has_value: true };
const OBJECT_SUFFIX: Known = Known { letter: None, name: "object-suffix-start", has_value: true };
const NO_OVERLAP: Known = Known { letter: None, name: "no-overlap", has_value: false };
const PROGRAM: Program = Program {
    name: "swift-dispersion-populate",
    usage: "swift-dispersion-populate [options] [conf_file]\n\n[conf_file] defaults to /etc/swift/dispersion.conf",
    options_help: "  --container-only      store containers alone\n  \
                   --object-only         store objects alone\n  \
                   --container-suffix-start=N\n                        \
                   which container is the first to be stored (default: 0)\n  \
                   --object-suffix-start=N\n                        \
                   which object is the first to be stored (default: 0)\n  \
                   --insecure            do not verify Keystone's certificate\n  \
                   --no-overlap          add to what is covered instead of storing the same again\n  \
                   -P NAME, --policy-name=NAME\n                        \
                   the storage policy that is meant",
    known: &[
        HELP,
        CONTAINER_ONLY,
        OBJECT_ONLY,
        CONTAINER_SUFFIX,
        OBJECT_SUFFIX,
        INSECURE,
        NO_OVERLAP,
        POLICY_NAME,
    ],
};

/// What is stored: containers, or objects.
struct Kind<'a> {
    /// As lines call it.
    plural: &'static str,
    /// Whose coverage it is.
    singular: &'static str,
    ring: &'a Ring,
    /// What names begin with, the number following.
    prefix: String,
    /// Names of a smaller number are taken for stored.
    first_suffix: i64,
}

/// A name to store, or to take for stored.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    name: String,
    is_stored: bool,
}

/// Runs it with the arguments that follow its name.
pub(in crate::cli::client) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let given = match PROGRAM.parse(arguments) {
        Ok(given) => given,
        Err(code) => return Ok(code),
    };
    let suffix = |option: Known| {
        let text = given.value(option.name).unwrap_or("0");
        int(text).ok_or_else(|| {
            PROGRAM.mistake(&format!("option --{}: invalid integer value: '{text}'", option.name))
        })
    };
    let (container_suffix, object_suffix) = match (suffix(CONTAINER_SUFFIX), suffix(OBJECT_SUFFIX)) {
        (Ok(container), Ok(object)) => (container, object),
        (Err(code), _) | (_, Err(code)) => return Ok(code),
    };
    let settings = match Settings::read(&given)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    println!("Using storage policy: {} ", settings.policy.name());
    runtime(Some(1))?.block_on(populate(&given, &settings, container_suffix, object_suffix))
}

async fn populate(
    given: &Given,
    settings: &Settings,
    container_suffix: i64,
    object_suffix: i64,
) -> anyhow::Result<ExitCode> {
    let containers = settings.options.bool("container_populate", true) && !given.has(OBJECT_ONLY.name);
    let objects = settings.options.bool("object_populate", true) && !given.has(CONTAINER_ONLY.name);
    if !containers && !objects {
        return Ok(exit("Neither container or object populate is set to run"));
    }
    let coverage = settings.options.float("dispersion_coverage", 1.0)?;
    let user = User::sign_in(&settings.account).await?;
    let populating = Populating { user, settings, coverage, no_overlap: given.has(NO_OVERLAP.name) };
    let outcome =
        populating.both(containers.then_some(container_suffix), objects.then_some(object_suffix)).await;
    match outcome {
        Err(error) if error.is::<UserError>() => {
            eprintln!("{error:#}");
            Ok(exit("Gave up due to error(s)."))
        }
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

struct Populating<'a> {
    user: User,
    settings: &'a Settings,
    /// Which part of the partitions, in percent.
    coverage: f64,
    no_overlap: bool,
}

impl Populating<'_> {
    /// Stores containers and objects from the number on that is given for each.
    async fn both(&self, containers: Option<i64>, objects: Option<i64>) -> anyhow::Result<()> {
        let index = self.settings.policy.index;
        let policy = [("X-Storage-Policy", self.settings.policy.name())];
        let (user, account, hash) = (&self.user, self.user.account(), &self.settings.swift.hash);
        if let Some(first_suffix) = containers {
            let ring = self.settings.ring("container")?;
            let prefix = format!("dispersion_{index}");
            let partition = |name: &str| ring.partition(&hash.container(account, name));
            let taken = match self.no_overlap {
                true => user.names(None, &prefix).await?,
                false => Vec::new(),
            };
            let prefix = prefix + "_";
            let kind =
                Kind { plural: "containers", singular: "container", ring: &ring, prefix, first_suffix };
            let put = async |name: String| user.put(&name, None, &policy, Bytes::new()).await;
            self.store(&kind, &taken, partition, put).await?;
        }
        if let Some(first_suffix) = objects {
            let container = format!("dispersion_objects_{index}");
            user.put(&container, None, &policy, Bytes::new()).await?;
            let ring = self.settings.object_ring()?;
            let prefix = "dispersion_".to_owned();
            let partition = |name: &str| ring.partition(&hash.object(account, &container, name));
            let taken = match self.no_overlap {
                true => user.names(Some(&container), &prefix).await?,
                false => Vec::new(),
            };
            let kind = Kind { plural: "objects", singular: "object", ring: &ring, prefix, first_suffix };
            let put = async |name: String| {
                let body = Bytes::copy_from_slice(name.as_bytes());
                user.put(&container, Some(&name), &[("X-Object-Meta-Dispersion", &name)], body).await
            };
            self.store(&kind, &taken, partition, put).await?;
        }
        Ok(())
    }

    /// Stores what is chosen, some at once; the first failure ends it.
    async fn store(
        &self,
        kind: &Kind<'_>,
        taken: &[String],
        partition: impl Fn(&str) -> u32,
        put: impl AsyncFn(String) -> Result<u32, UserError>,
    ) -> anyhow::Result<()> {
        let mut out = stdout();
        let mut progress = Progress::begin();
        let part_count = kind.ring.part_count();
        let wanted = self.coverage / 100.0 * part_count as f64;
        let mut free = vec![true; part_count as usize];
        for name in taken {
            claim(&mut free, partition(name));
        }
        let (chosen, left) = choose(kind, wanted, &mut free, partition);
        let put = &put;
        let each = chosen
            .into_iter()
            .map(|Chosen { name, is_stored }| async move { if is_stored { Ok(0) } else { put(name).await } });
        let (mut done, mut retries) = (0, 0);
        let mut outcomes = stream::iter(each).buffer_unordered(self.settings.concurrency);
        while let Some(outcome) = outcomes.next().await {
            retries += outcome?;
            done += 1;
            if progress.is_due() {
                progress.tell(
                    &mut out,
                    &format!("Creating {}", kind.plural),
                    done,
                    wanted as usize,
                    retries,
                )?;
            }
        }
        writeln!(
            out,
            "{CLEAR_LINE}Created {} {} for dispersion reporting, {}, {retries} retries",
            (wanted - left) as u64,
            kind.plural,
            progress.elapsed(),
        )?;
        if self.no_overlap {
            let covered = free.iter().filter(|free| !**free).count();
            let percent = covered as f64 / part_count as f64 * 100.0;
            writeln!(out, "{CLEAR_LINE}Total {} coverage is now {percent:.2}%.", kind.singular)?;
        }
        Ok(())
    }
}

/// Takes a partition; whether it was free.
fn claim(free: &mut [bool], partition: u32) -> bool {
    free.get_mut(partition as usize).is_some_and(std::mem::take)
}

/// One name for each of `wanted` partitions that are `free`, in order of number, and how many of them are left without:
/// less than one, unless partitions ran out. The sums are Swift's, so that rounding is.
fn choose(
    kind: &Kind<'_>,
    wanted: f64,
    free: &mut [bool],
    partition: impl Fn(&str) -> u32,
) -> (Vec<Chosen>, f64) {
    let (mut chosen, mut left) = (Vec::new(), wanted);
    let mut free_count = free.iter().filter(|free| **free).count();
    let mut suffix: i64 = 0;
    while left >= 1.0 && free_count > 0 {
        let name = format!("{}{suffix}", kind.prefix);
        if claim(free, partition(&name)) {
            chosen.push(Chosen { name, is_stored: suffix < kind.first_suffix });
            free_count -= 1;
            left -= 1.0;
        }
        suffix += 1;
    }
    (chosen, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::testing::TestCluster;

    #[tokio::test]
    async fn partitions_are_covered_once() {
        let cluster = TestCluster::start().await;
        let ring = Ring::load(cluster.dir().join("container.ring.gz")).unwrap();
        let hash = cluster.swift().hash;
        let partition = |name: &str| ring.partition(&hash.container("AUTH_a", name));
        let kind = |first_suffix| Kind {
            plural: "containers",
            singular: "container",
            ring: &ring,
            prefix: "dispersion_0_".into(),
            first_suffix,
        };
        // of eight partitions half, and a part of one
        let mut free = vec![true; 8];
        let (chosen, left) = choose(&kind(1), 4.8, &mut free, partition);
        assert_eq!((chosen.len(), free.iter().filter(|free| **free).count()), (4, 4));
        assert!(left < 1.0 && (4.8 - left) as u64 == 4);
        assert_eq!(chosen[0], Chosen { name: "dispersion_0_0".into(), is_stored: true });
        assert!(chosen[1..].iter().all(|chosen| !chosen.is_stored));
        let mut partitions: Vec<u32> = chosen.iter().map(|chosen| partition(&chosen.name)).collect();
        partitions.sort_unstable();
        partitions.dedup();
        assert_eq!(partitions.len(), 4);
        // what there is already is not stored again, and more than all cannot be
        let (more, left) = choose(&kind(0), 8.0, &mut free, partition);
        assert_eq!((more.len(), left), (4, 4.0));
    }
}
