//! How daemons that work on one queue share it: each has the tasks whose hash falls to it, and, where nodes share by a
//! ring, in turn those that others should long have done.

use super::{HowToRun, OwnAddress};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::Ring;
use swiftlet_types::conf::{OptionError, Options};

/// How a process is told its share.
#[derive(Debug, Clone)]
pub enum Sharing {
    /// As `processes` and `process` say.
    Told(Share),
    /// `processes = auto`, which Swift does not know: each node of a ring has a share, and this one is at that address.
    /// Nobody has to be told when nodes come and go.
    ByRing(OwnAddress),
}

/// The part of a queue that one of several processes works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which process this is, from 0; `None`: one beside those that share.
    process: Option<u64>,
    /// How many there are, at least 1.
    processes: u64,
    /// How long a task waits for the process whose it is; then the next one does it, and so on. `None`: for ever.
    takeover: Option<Duration>,
}

impl Sharing {
    /// Reads `processes` and `process`, which `how` may override.
    pub fn from_options(o: &Options, how: &HowToRun) -> Result<Self, OptionError> {
        let is_auto = o.str("processes").is_some_and(|text| text.trim().eq_ignore_ascii_case("auto"));
        if is_auto && how.processes.is_none() {
            // the ring's servers may be at another port than the one whose file this is
            return OwnAddress::from_options(&o.clone().with("bind_port", "0"), 0).map(Self::ByRing);
        }
        let processes = how.processes.map_or_else(|| o.int("processes", 0), Ok)?;
        let process = how.process.map_or_else(|| o.int("process", 0), Ok)?;
        match processes {
            0 => Ok(Self::Told(Share { process: Some(0), processes: 1, takeover: None })),
            _ if process >= processes => Err(o.error("process", "must be less than processes")),
            _ => Ok(Self::Told(Share { process: Some(process), processes, takeover: None })),
        }
    }

    /// The share at the moment; a task that waits for `takeover` falls to the next node of `ring`.
    pub async fn share(&self, ring: Arc<Ring>, takeover: Duration) -> Share {
        let own = match self {
            Self::Told(share) => return *share,
            Self::ByRing(own) => own.clone(),
        };
        // addresses may have to be looked up
        let reckon = move || {
            let serving = own.serving(&ring);
            let own = serving.first().map(|device| device.ip.as_str());
            Share::of_node(own, ring.devices().map(|device| device.ip.as_str()).collect(), takeover)
        };
        // a panic there was told already; without a share of its own it does what others leave
        let nobody = Share { process: None, processes: 1, takeover: Some(takeover) };
        tokio::task::spawn_blocking(reckon).await.unwrap_or(nobody)
    }
}

impl Share {
    /// That of the node at `own` among `nodes`, each of which has one.
    pub fn of_node(own: Option<&str>, mut nodes: Vec<&str>, takeover: Duration) -> Self {
        nodes.sort_unstable();
        nodes.dedup();
        let process = own.and_then(|own| nodes.binary_search(&own).ok()).map(|at| at as u64);
        Self { process, processes: (nodes.len() as u64).max(1), takeover: Some(takeover) }
    }

    /// How long after its time the task of this hash falls to this process: at once where it is in its share; `None`:
    /// never.
    pub fn turn(self, hash: u128) -> Option<Duration> {
        let processes = self.processes.max(1);
        let owner = (hash % u128::from(processes)) as u64;
        let places_behind = match self.process {
            Some(process) => (process + processes - owner) % processes,
            None => processes,
        };
        match places_behind {
            0 => Some(Duration::ZERO),
            places => {
                self.takeover.map(|wait| wait.saturating_mul(u32::try_from(places).unwrap_or(u32::MAX)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)], how: HowToRun) -> Result<(Option<u64>, u64), String> {
        let options = pairs
            .iter()
            .fold(Options::new("x.conf", "object-expirer"), |o, (option, value)| o.with(option, value));
        match Sharing::from_options(&options, &how).map_err(|error| error.to_string())? {
            Sharing::Told(share) => Ok((share.process, share.processes)),
            Sharing::ByRing(own) => Err(format!("by the ring, at {}", own.describe())),
        }
    }

    #[test]
    fn commands_choose_the_share() {
        let file = [("processes", "3"), ("process", "2")];
        let how = |processes, process| HowToRun { processes, process, ..HowToRun::default() };
        assert_eq!(told(&file, HowToRun::default()), Ok((Some(2), 3)));
        assert_eq!(told(&file, how(Some(5), Some(4))), Ok((Some(4), 5)));
        assert_eq!(told(&file, how(Some(0), None)), Ok((Some(0), 1)));
        let error = told(&file, how(Some(2), None)).unwrap_err();
        assert!(error.ends_with("process: \"2\" must be less than processes"), "{error}");
        assert!(told(&[("processes", "many")], HowToRun::default()).unwrap_err().contains("processes"));
        let auto = [("processes", "auto"), ("ring_ip", "10.0.0.1")];
        assert_eq!(told(&auto, HowToRun::default()), Err("by the ring, at 10.0.0.1 with port 0".into()));
        assert_eq!(told(&auto, how(Some(2), None)), Ok((Some(0), 2)));
    }

    #[test]
    fn every_task_is_in_one_share() {
        let share = |process| Share { process: Some(process), processes: 3, takeover: None };
        for hash in 0..50 {
            let shares: Vec<u64> = (0..3).filter(|process| share(*process).turn(hash).is_some()).collect();
            assert_eq!(shares, [(hash % 3) as u64]);
        }
    }

    #[test]
    fn a_task_that_its_node_does_not_do_falls_to_the_next() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let nodes = ["n3", "n1", "n2", "n1"];
        let turn = |own| Share::of_node(own, nodes.to_vec(), minutes(1)).turn(4);
        assert_eq!(
            ["n2", "n3", "n1"].map(|own| turn(Some(own))),
            [0, 1, 2].map(|count| Some(minutes(count)))
        );
        // a node beside the ring helps when all others might have
        assert_eq!([turn(None), turn(Some("n4"))], [Some(minutes(3)); 2]);
    }
}
