//! Doubling the number of partitions, in Swift's three steps: prepare (servers begin to link objects into their
//! future partitions), increase, finish (the old links are gone).

use super::Builder;

/// Why a step cannot be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this step of the partition power increase is not due")]
pub struct NotDue;

impl Builder {
    /// Announces the next partition power.
    pub fn prepare_part_power_increase(&mut self) -> Result<(), NotDue> {
        if self.next_part_power.is_some() || self.part_power >= 32 {
            return Err(NotDue);
        }
        self.next_part_power = Some(self.part_power + 1);
        self.version += 1;
        Ok(())
    }

    /// Doubles the partitions: both halves of one stay where it was, so nothing moves between devices.
    pub fn increase_part_power(&mut self, now_secs: u64) -> Result<(), NotDue> {
        let next = self.increase_under_way()?;
        let doubled = |row: &[u32]| row.iter().flat_map(|&id| [id, id]).collect();
        for row in self.rows.iter_mut().flatten() {
            *row = doubled(row);
        }
        self.held.iter_mut().for_each(|held| *held *= 2);
        self.last_moves_hours = self.last_moves_hours.iter().flat_map(|&hours| [hours, hours]).collect();
        self.part_power = next;
        self.version += 1;
        self.age_moves(now_secs);
        Ok(())
    }

    /// Takes the announcement back; finishing is due then, as the links made meanwhile must go.
    pub fn cancel_part_power_increase(&mut self) -> Result<(), NotDue> {
        self.increase_under_way()?;
        self.next_part_power = Some(self.part_power);
        self.version += 1;
        Ok(())
    }

    /// Ends the increase.
    pub fn finish_part_power_increase(&mut self) -> Result<(), NotDue> {
        if self.next_part_power != Some(self.part_power) {
            return Err(NotDue);
        }
        self.next_part_power = None;
        self.version += 1;
        Ok(())
    }

    fn increase_under_way(&self) -> Result<u32, NotDue> {
        self.next_part_power.filter(|&next| next == self.part_power + 1).ok_or(NotDue)
    }
}
