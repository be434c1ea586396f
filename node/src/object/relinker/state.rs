//! How far a device is: `relink.objects[-N].json`, as Swift's relinker writes it, so that either goes on where the other
//! stopped.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// More than 2^22 partitions take.
const MAX_LEN: u64 = 256 << 20;

/// What is done of one policy's folder on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The ring's partition power.
    pub part_power: u32,
    /// The one it grows to, or has grown to.
    pub next_part_power: u32,
    /// The power that the file of the step before told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_part_power: Option<u32>,
    /// Every partition that was there when the step began, and whether it is done.
    pub state: BTreeMap<u64, bool>,
}

impl State {
    /// What the device's file says of this step; otherwise the state of a step that begins. A file of another step, or
    /// one that cannot be read as such, is removed.
    pub fn load(device: &Path, data_dir: &str, part_power: u32, next_part_power: u32) -> io::Result<Self> {
        let mut fresh = Self { part_power, next_part_power, prev_part_power: None, state: BTreeMap::new() };
        let path = path(device, data_dir);
        let mut text = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(MAX_LEN).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(fresh),
            Err(error) => return Err(error),
        };
        if let Ok(found) = serde_json::from_slice::<Self>(&text)
            && found.next_part_power == next_part_power
        {
            if found.part_power == part_power {
                return Ok(Self { state: found.state, ..fresh });
            }
            fresh.prev_part_power = Some(found.part_power);
        }
        std::fs::remove_file(&path)?;
        Ok(fresh)
    }

    /// Whether the links are being made, rather than the old names removed.
    fn is_relinking(&self) -> bool {
        self.part_power != self.next_part_power
    }

    /// The partitions that are left to do, the highest first: a partition's files go to twice its number, and must not
    /// be found there again. `there` are those that the folder has.
    pub fn left(&mut self, there: impl IntoIterator<Item = u64>) -> Vec<u64> {
        // what lies above was made by the growth itself
        let old_power = if self.is_relinking() { Some(self.part_power) } else { self.prev_part_power };
        let end = old_power.map_or(u64::MAX, |power| 1 << power.min(63));
        let there: BTreeSet<u64> = there.into_iter().filter(|partition| *partition < end).collect();
        let is_new_done = !self.state.is_empty() && self.is_relinking();
        for partition in there {
            // those that came since the step began hold nothing to relink, but may hold something to clean up
            self.state.entry(partition).or_insert(is_new_done);
        }
        self.state.iter().rev().filter(|(_, done)| !**done).map(|(partition, _)| *partition).collect()
    }

    /// How many partitions are done, of how many.
    pub fn done(&self) -> (usize, usize) {
        (self.state.values().filter(|done| **done).count(), self.state.len())
    }

    /// Notes that a partition is done, for good.
    pub fn finish(&mut self, device: &Path, data_dir: &str, partition: u64) -> io::Result<()> {
        self.state.insert(partition, true);
        let target = path(device, data_dir);
        let temporary = device.join(format!(".relink.{data_dir}.json.tmp"));
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        // the links must be on the disk before the word that they are
        rustix::fs::syncfs(&file)?;
        std::fs::rename(temporary, target)
    }
}

fn path(device: &Path, data_dir: &str) -> PathBuf {
    device.join(format!("relink.{data_dir}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_it_was_left_and_begins_anew_with_another_step() {
        let device = tempfile::tempdir().unwrap();
        let load = |power, next| State::load(device.path(), "objects", power, next).unwrap();
        let mut relinking = load(3, 4);
        assert_eq!(relinking.left([5, 2, 9]), [5, 2], "9 is of the new space");
        relinking.finish(device.path(), "objects", 5).unwrap();
        assert_eq!(relinking.done(), (1, 2));
        // 4 came since: what is written there now is linked as it is written
        assert_eq!(load(3, 4).left([5, 2, 4]), [2]);

        let mut cleaning = load(4, 4);
        assert_eq!(cleaning.prev_part_power, Some(3));
        assert_eq!(cleaning.left([9, 5, 2]), [5, 2]);
        cleaning.finish(device.path(), "objects", 5).unwrap();
        assert_eq!(load(4, 4).left([5, 2, 1]), [2, 1], "err on the side of caution");
        assert_eq!(load(5, 6).left([5]), [5], "of another growth");
    }

    #[test]
    fn reads_what_python_writes_and_survives_rubbish() {
        let device = tempfile::tempdir().unwrap();
        let file = path(device.path(), "objects-1");
        std::fs::write(&file, r#"{"part_power": 3, "next_part_power": 4, "state": {"7": true, "1": false}}"#)
            .unwrap();
        let state = State::load(device.path(), "objects-1", 3, 4).unwrap();
        assert_eq!(state.state, BTreeMap::from([(1, false), (7, true)]));
        for rubbish in ["", "{}", "[1]", r#"{"part_power": 3, "next_part_power": 4, "state": {"x": true}}"#] {
            std::fs::write(&file, rubbish).unwrap();
            assert_eq!(State::load(device.path(), "objects-1", 3, 4).unwrap().state, BTreeMap::new());
            assert!(!file.exists());
        }
    }
}
