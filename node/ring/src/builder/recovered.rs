//! A builder made again from what lies where, for who lost ring and builder.

use super::rebalance::count_held;
use super::{Builder, BuilderError, NewDevice};
use crate::DeviceId;
use crate::ids::NO_DEVICE;

/// Where the partitions of a lost ring lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The ring had 2^`part_power` partitions.
    pub part_power: u32,
    /// Its devices; a position is the id in `rows`.
    pub devices: Vec<NewDevice>,
    /// One row a replica, only the last may be short; `None` where nobody holds that replica.
    pub rows: Vec<Vec<Option<DeviceId>>>,
}

impl Builder {
    /// The builder of `assignment`, complete: replicas that nobody holds get a device, and no other moves. All
    /// partitions count as moved at `now_secs`, so that none does before `min_part_hours` (at least 1) have passed.
    pub fn recover(
        assignment: Assignment,
        min_part_hours: u32,
        now_secs: u64,
    ) -> Result<Builder, BuilderError> {
        let Assignment { part_power, devices, rows } = assignment;
        let parts = 1u64.checked_shl(part_power).ok_or(BuilderError::PartPower(part_power))?;
        let replicas = match rows.split_last() {
            Some((last, whole)) => whole.len() as f64 + last.len() as f64 / parts as f64,
            None => 0.0,
        };
        let mut builder = Builder::new(part_power, replicas, min_part_hours.max(1))?;
        for device in devices {
            builder.add(NewDevice { id: None, ..device })?;
        }
        let rows: Vec<Vec<DeviceId>> =
            rows.into_iter().map(|row| row.into_iter().map(|id| id.unwrap_or(NO_DEVICE)).collect()).collect();
        let is_known = |&&id: &&DeviceId| id != NO_DEVICE && builder.device(id).is_none();
        if let Some(&id) = rows.iter().flatten().find(is_known) {
            return Err(BuilderError::NoDevice(id));
        }
        builder.held = count_held(&rows, builder.devices.len());
        builder.rows = Some(rows);
        builder.last_moves_epoch_secs = now_secs;
        builder.rebalance(now_secs, "recovered")?;
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn device(n: u32) -> NewDevice {
        let ip = format!("10.0.0.{n}");
        NewDevice {
            id: None,
            region: 1,
            zone: n,
            ip: ip.clone(),
            port: 6200,
            replication_ip: ip,
            replication_port: 6200,
            device: "sda".into(),
            weight: 100.0,
            meta: String::new(),
        }
    }

    #[test]
    fn holders_stay_and_gaps_are_filled() {
        // far from balance: device 0 has a replica of everything
        let mut rows: Vec<Vec<Option<DeviceId>>> =
            vec![vec![Some(0); 64], vec![Some(1); 64], vec![Some(2); 32]];
        rows[1][..8].fill(None);
        let assignment =
            Assignment { part_power: 6, devices: (1..=4).map(device).collect(), rows: rows.clone() };
        let builder = Builder::recover(assignment, 24, NOW).expect("recovered");
        assert_eq!((builder.replicas(), builder.min_part_hours()), (2.5, 24));
        builder.validate().expect("whole");
        for (replica, row) in rows.iter().enumerate() {
            for (part, id) in row.iter().enumerate().filter_map(|(part, id)| Some((part, (*id)?))) {
                assert_eq!(
                    builder.rows.as_ref().map(|rows| rows[replica][part]),
                    Some(id),
                    "{replica} {part}"
                );
            }
        }
        assert!(builder.parts_held(3) >= 7, "what nobody held went to who holds least");
        let mut again = file::read(&file::write(&builder)).expect("reads");
        assert_eq!(again.rebalance(NOW + 23 * 3600, "").expect("too early").moved, 0);
        assert!(again.rebalance(NOW + 25 * 3600, "").expect("in time").moved > 0);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let of = |rows| Assignment { part_power: 2, devices: vec![device(1)], rows };
        let refused = |assignment| Builder::recover(assignment, 1, NOW).expect_err("refused");
        assert_eq!(refused(of(vec![vec![Some(7); 4]])), BuilderError::NoDevice(7));
        assert_eq!(refused(of(vec![])), BuilderError::Replicas(0.0));
        assert!(matches!(refused(of(vec![vec![None; 4]; 2])), BuilderError::TooFewDevices { .. }));
        assert!(matches!(refused(Assignment { part_power: 70, ..of(vec![]) }), BuilderError::PartPower(70)));
    }
}
