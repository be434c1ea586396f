//! A lost ring, made again from where its partitions lie on devices.
//!
//! `survey` lists what each device holds; `shape` tells from that how many partitions and replicas the ring had;
//! `assign` gives each partition to devices that hold it, `contest` where more hold it than the ring has replicas.
//! Replicas that no device holds get one by a rebalance of just those, in `swiftlet-ring`.

mod assign;
mod contest;
mod shape;
mod survey;
#[cfg(test)]
mod tests;

pub use survey::{DeviceSurvey, Found};

use super::problems::Problems;
use super::progress::{Progress, Style};
use serde::Serialize;
use shape::Shape;
use std::path::PathBuf;
use swiftlet_ring::Builder;
use swiftlet_ring::builder::{BuilderError, NewDevice};
use swiftlet_storage::salvage::DataDir;
use thiserror::Error;

/// A device of the lost ring.
#[derive(Debug, Clone)]
pub struct RingDevice {
    /// Where it is mounted now.
    pub path: PathBuf,
    /// What the ring should say of it.
    pub place: NewDevice,
}

/// What is known beforehand; what is not is told from the devices.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The partition power.
    pub part_power: Option<u32>,
    /// Replicas.
    pub replicas: Option<f64>,
    /// Whether every device belongs to the ring; otherwise those that have its folder do.
    pub has_all_devices: bool,
    /// `min_part_hours` of the new builder.
    pub min_part_hours: u32,
    /// Seconds since the epoch.
    pub now_secs: u64,
}

/// Why a ring cannot be made again.
#[derive(Debug, Error)]
pub enum RingsError {
    /// Nothing tells the partition power.
    #[error("{ring}: nothing on the devices tells the partition power; give it with --part-power")]
    PartPower {
        /// Which ring.
        ring: String,
    },
    /// The ring that the devices amount to is none.
    #[error("{ring}: {error}")]
    Builder {
        /// Which ring.
        ring: String,
        /// What is wrong with it.
        error: BuilderError,
    },
}

/// What was found out of a ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingReport {
    /// `account`, `container`, `object`, `object-1`, …
    pub ring: String,
    /// The partition power.
    pub part_power: u32,
    /// Replicas.
    pub replicas: f64,
    /// Devices in the ring.
    pub devices: usize,
    /// Partitions that some device holds.
    pub partitions_held: usize,
    /// How many partitions lie on so many devices.
    pub partitions_by_holders: Vec<(usize, usize)>,
    /// Replicas of held partitions that no device holds: replicators will make them.
    pub replicas_missing: u64,
    /// Copies of partitions beyond the ring's replicas: replicators will compare them with the others and remove them.
    pub copies_beyond: u64,
    /// Objects or databases that lie on such copies alone, or in a newer version there.
    pub newest_beyond: u64,
    /// Partitions that lie where a ring of another partition power would have them.
    pub misplaced: u64,
}

/// The ring of `data_dir` as the devices tell it: its builder, complete, and what was found out.
pub fn recover(
    data_dir: DataDir,
    devices: &[RingDevice],
    surveys: &[DeviceSurvey],
    known: &Known,
    style: Style,
    problems: &mut Problems,
) -> Result<(Builder, RingReport), RingsError> {
    let ring = data_dir.ring_name();
    let shape =
        Shape::of(data_dir, surveys, known).ok_or_else(|| RingsError::PartPower { ring: ring.clone() })?;
    let members: Vec<usize> =
        (0..surveys.len()).filter(|&at| known.has_all_devices || surveys[at].has(data_dir)).collect();
    let contested = shape.contested_count();
    let mut progress = Progress::new(style, format!("{ring}: comparing copies"), contested, "partitions");
    let assigned = assign::assign(&shape, |partition, holders, count| {
        progress.add(1);
        contest::choose(data_dir, partition, holders, count, |at| &devices[at].path, problems)
    });
    if contested > 0 {
        progress.finish();
    }
    let id_of = |at: usize| members.binary_search(&at).ok().map(|id| id as u32);
    let rows = assigned.rows.iter().map(|row| row.iter().map(|at| at.and_then(id_of)).collect()).collect();
    let places = members.iter().map(|&at| devices[at].place.clone()).collect();
    let assignment =
        swiftlet_ring::builder::Assignment { part_power: shape.part_power, devices: places, rows };
    let builder = Builder::recover(assignment, known.min_part_hours, known.now_secs);
    let builder = builder.map_err(|error| RingsError::Builder { ring: ring.clone(), error })?;
    let report = RingReport {
        ring,
        part_power: shape.part_power,
        replicas: builder.replicas(),
        devices: members.len(),
        partitions_held: shape.holders.len(),
        partitions_by_holders: shape.histogram(),
        replicas_missing: assigned.missing,
        copies_beyond: assigned.beyond,
        newest_beyond: assigned.newest_beyond,
        misplaced: shape.misplaced,
    };
    Ok((builder, report))
}
