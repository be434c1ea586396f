//! Which device has which replica of which partition. Pure: how to choose where too many hold one is passed in.

use super::shape::{Holder, Shape};

/// A table of devices, and what did not fit into it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Assigned {
    /// One row a replica: the device by its number in the survey, or none.
    pub rows: Vec<Vec<Option<usize>>>,
    /// Replicas of held partitions that no device holds.
    pub missing: u64,
    /// Copies that no replica is left for.
    pub beyond: u64,
    /// Things that lie on those alone, or in a newer version.
    pub newest_beyond: u64,
}

/// Which holders a partition's replicas go to, and how many things are lost to the rest.
#[derive(Debug, PartialEq)]
pub(super) struct Choice {
    pub chosen: Vec<Holder>,
    pub newest_beyond: u64,
}

/// Gives every partition to its holders. `choose` is asked where there are more than replicas.
pub(super) fn assign(shape: &Shape, mut choose: impl FnMut(u32, &[Holder], usize) -> Choice) -> Assigned {
    let mut assigned = Assigned {
        rows: shape.row_lengths.iter().map(|&len| vec![None; len as usize]).collect(),
        ..Assigned::default()
    };
    for (&partition, holders) in &shape.holders {
        let replicas = shape.replicas_of(partition);
        let chosen = if holders.len() > replicas {
            let choice = choose(partition, holders, replicas);
            assigned.newest_beyond += choice.newest_beyond;
            assigned.beyond += (holders.len() - choice.chosen.len()) as u64;
            choice.chosen
        } else {
            holders.clone()
        };
        assigned.missing += (replicas - chosen.len()) as u64;
        place(&mut assigned.rows, partition as usize, replicas, chosen);
    }
    assigned
}

/// Puts holders into a partition's column: who has a fragment there where that fragment belongs, others where there is
/// room, in turns, so that no device gets one replica of everything.
fn place(rows: &mut [Vec<Option<usize>>], partition: usize, replicas: usize, holders: Vec<Holder>) {
    let mut rest = Vec::new();
    for holder in holders {
        match holder.fragment.map(|fragment| fragment as usize).filter(|&row| row < replicas) {
            Some(row) if rows[row][partition].is_none() => rows[row][partition] = Some(holder.device),
            _ => rest.push(holder),
        }
    }
    let mut free = (0..replicas).map(|row| (row + partition) % replicas);
    for holder in rest {
        if let Some(row) = free.find(|&row| rows[row][partition].is_none()) {
            rows[row][partition] = Some(holder.device);
        }
    }
}
