//! A last look before a ring is given to servers.

use super::Builder;
use crate::DeviceId;

/// What is wrong with an assignment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValidationError {
    /// Never rebalanced.
    #[error("_replica2part2dev empty; did you forget to rebalance?")]
    Unassigned,
    /// The devices' counts do not add up to the table.
    #[error("All partitions are not double accounted for: {counted} != {assigned}")]
    Miscounted {
        /// By the devices' counts.
        counted: usize,
        /// In the table.
        assigned: usize,
    },
    /// A row is short that is not the last.
    #[error(
        "The partition assignments of replica {replica} were shorter than expected ({len} < {expected}) - this \
         should only happen for the last replica"
    )]
    ShortRow {
        /// Which replica.
        replica: usize,
        /// Partitions in its row.
        len: usize,
        /// Partitions of the ring.
        expected: usize,
    },
    /// A replica is on no device of the ring.
    #[error("Partition {part}, replica {replica} was not allocated to a device.")]
    NoDevice {
        /// Which partition.
        part: usize,
        /// Which replica.
        replica: usize,
    },
    /// Two replicas are on one device.
    #[error("The partition {part} has been assigned to duplicate devices {devices:?}")]
    Duplicate {
        /// Which partition.
        part: usize,
        /// Its devices.
        devices: Vec<DeviceId>,
    },
}

impl Builder {
    /// Checks that every replica of every partition is on a device of its own.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let rows = self.rows.as_deref().filter(|rows| !rows.is_empty()).ok_or(ValidationError::Unassigned)?;
        let assigned: usize = rows.iter().map(Vec::len).sum();
        let counted: usize = self.devices().map(|device| self.parts_held(device.id) as usize).sum();
        if counted != assigned {
            return Err(ValidationError::Miscounted { counted, assigned });
        }
        let expected = self.part_count();
        let not_last = &rows[..rows.len() - 1];
        if let Some((replica, row)) = not_last.iter().enumerate().find(|(_, row)| row.len() < expected) {
            return Err(ValidationError::ShortRow { replica, len: row.len(), expected });
        }
        let mut devices: Vec<DeviceId> = Vec::with_capacity(rows.len());
        for part in 0..expected {
            devices.clear();
            let mut is_duplicate = false;
            for (replica, &id) in rows.iter().enumerate().filter_map(|(r, row)| Some((r, row.get(part)?))) {
                if self.device(id).is_none() {
                    return Err(ValidationError::NoDevice { part, replica });
                }
                is_duplicate |= devices.contains(&id);
                devices.push(id);
            }
            if is_duplicate {
                return Err(ValidationError::Duplicate { part, devices });
            }
        }
        Ok(())
    }
}
