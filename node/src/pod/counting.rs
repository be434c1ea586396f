//! Keeps count of what the node holds, beside its servers, for whoever asks `/status`.

use super::RING_POLL_MS;
use super::health::Health;
use super::rings::RingStore;
use crate::holdings::{Assignments, AssignmentsError, StorageNode};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Counts are made anew this often at most, but at once after the rings changed.
const EVERY: Duration = Duration::from_secs(5);
/// Between two counts passes at least so many times what the last one took: large nodes are counted less often.
const REST: u32 = 9;

/// Counts again and again, for as long as the process lives.
pub fn keep_counting(node: &StorageNode, rings: &Mutex<RingStore>, health: &Health) -> ! {
    let mut counting = Counting { current: None, next: Instant::now() };
    loop {
        counting.look(node, rings, health);
        std::thread::sleep(Duration::from_millis(RING_POLL_MS));
    }
}

/// What is counted by, and when again.
struct Counting {
    current: Option<(u64, Assignments)>,
    next: Instant,
}

impl Counting {
    /// Counts, if it is time to or the rings are others than when it last did.
    fn look(&mut self, node: &StorageNode, rings: &Mutex<RingStore>, health: &Health) {
        let generation = rings.lock().generation();
        let is_new = self.current.as_ref().map(|(counted, _)| *counted) != generation;
        if is_new {
            self.current = assignments(node, rings)
                .inspect_err(|error| tracing::error!(%error, "what the node holds is not counted"))
                .unwrap_or_default();
        }
        if let Some((generation, assignments)) = &self.current
            && (is_new || Instant::now() >= self.next)
        {
            let begun = Instant::now();
            let devices = health.usable_devices();
            let holdings = node.holdings(assignments, devices.iter().map(String::as_str));
            health.holdings(*generation, holdings);
            self.next = Instant::now() + EVERY.max(begun.elapsed() * REST);
        }
    }
}

/// What the rings held assign to the node, and their generation. No other is put in place meanwhile.
fn assignments(
    node: &StorageNode,
    rings: &Mutex<RingStore>,
) -> Result<Option<(u64, Assignments)>, AssignmentsError> {
    let store = rings.lock();
    store.generation().map(|generation| Ok((generation, node.assignments()?))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holdings::testing::Folder;
    use crate::pod::device::Device;
    use swiftlet_ring::distribution::{Bank, split};

    /// Publishes the rings in `folder` as `generation`.
    fn publish(folder: &Folder, generation: u64, bank: Bank) {
        let names = ["account.ring.gz", "container.ring.gz", "object.ring.gz"];
        let files = names.map(|name| (name.to_owned(), std::fs::read(folder.at("etc").join(name)).unwrap()));
        let (index, chunks) = split(generation, generation - 1, bank, &files, 3).unwrap();
        for (slot, chunk) in chunks.iter().enumerate() {
            std::fs::write(folder.at("volume").join(bank.slot_name(slot)), chunk).unwrap();
        }
        std::fs::write(folder.at("volume/index.json"), index.to_json()).unwrap();
    }

    #[test]
    fn new_rings_are_counted_by_at_once_and_the_old_ones_now_and_then() {
        let folder = Folder::new("");
        std::fs::create_dir(folder.at("volume")).unwrap();
        folder.rings_with([0, 0, 1, 1]);
        publish(&folder, 1, Bank::A);
        let rings = Mutex::new(RingStore::new(&folder.at("volume"), &folder.at("etc"), None));
        let health = Health::new(
            Vec::new(),
            vec![Device { name: "d1".into(), path: folder.at("srv/d1"), refused: None }],
        );
        let node = folder.node();
        let mut counting = Counting { current: None, next: Instant::now() };
        let mut misplaced = || {
            let state = rings.lock().refresh();
            health.rings(state);
            let before = health.misplaced("d1", "object");
            counting.look(&node, &rings, &health);
            (before, health.misplaced("d1", "object"))
        };
        folder.write("srv/d1/objects/0/abc/0123abc/1.data", "");
        assert_eq!(misplaced(), (None, Some(0)));
        folder.write("srv/d1/objects/3/abc/0123abc/1.data", "");
        assert_eq!(misplaced(), (Some(0), Some(0)), "that was a moment ago");

        folder.rings_with([1, 1, 1, 1]);
        publish(&folder, 2, Bank::B);
        assert_eq!(misplaced(), (None, Some(2)));
    }
}
