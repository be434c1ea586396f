//! Commands that change devices: weight, region, zone, and what the ring says of them.

use swiftlet_ring::builder::{Builder, BuilderError, DeviceChange};
use swiftlet_ring::{Device, DeviceId};

use super::arguments::{change_of, describes, float, int, search_of};
use super::device_text;
use super::{Exit, Outcome, Session, Stop, help};
use crate::cli::optparse::Given;

/// One of the settings that a command changes by "who, what" pairs.
struct Setting<T> {
    name: &'static str,
    parse: fn(&str) -> Result<T, String>,
    set: fn(&mut Builder, DeviceId, T) -> Result<(), BuilderError>,
    shown: fn(&Device) -> String,
}

impl Session<'_> {
    pub(super) fn set_weight(&mut self, args: &[String]) -> Outcome {
        let setting = Setting {
            name: "weight",
            parse: float,
            set: Builder::set_weight,
            shown: |device| format!("{:?}", device.weight),
        };
        self.set(args, &setting)
    }

    pub(super) fn set_region(&mut self, args: &[String]) -> Outcome {
        let shown = |device: &Device| device.region.to_string();
        self.set(args, &Setting { name: "region", parse: int::<u32>, set: Builder::set_region, shown })
    }

    pub(super) fn set_zone(&mut self, args: &[String]) -> Outcome {
        let shown = |device: &Device| device.zone.to_string();
        self.set(args, &Setting { name: "zone", parse: int::<u32>, set: Builder::set_zone, shown })
    }

    fn set<T: Copy>(&mut self, args: &[String], setting: &Setting<T>) -> Outcome {
        let command = format!("set_{}", setting.name);
        if args.len() < 2 {
            return Err(help::with_search_value(&command));
        }
        let given = self.device_arguments(args)?;
        let parse = |text: &str| (setting.parse)(text).map_err(Stop::Refused);
        if describes(&given) {
            let [value] = &given.arguments[..] else { return Err(help::of(&command)) };
            let devices = self.found(&search_of(&given)?)?;
            self.set_all(&devices, parse(value)?, setting, &given)?;
        } else {
            if !given.arguments.len().is_multiple_of(2) {
                return Err(help::of(&command));
            }
            for pair in given.arguments.chunks_exact(2) {
                let devices = self.found(&device_text::search(&pair[0]).map_err(Stop::Refused)?)?;
                self.set_all(&devices, parse(&pair[1])?, setting, &given)?;
            }
        }
        self.save()?;
        Ok(Exit::Success)
    }

    fn set_all<T: Copy>(
        &mut self,
        devices: &[Device],
        value: T,
        setting: &Setting<T>,
        given: &Given,
    ) -> Result<(), Stop> {
        let Setting { name, .. } = setting;
        self.confirm_change(devices, given, name)?;
        for Device { id, .. } in devices {
            let set = (setting.set)(self.builder_mut()?, *id, value);
            set.map_err(|error| Stop::Refused(error.to_string()))?;
            let device = self.device(*id)?;
            self.print(&format!("{device} {name} set to {}", (setting.shown)(&device)));
        }
        Ok(())
    }

    pub(super) fn set_info(&mut self, args: &[String]) -> Outcome {
        if args.len() < 2 {
            return Err(help::with_search_value("set_info"));
        }
        let given = self.device_arguments(args)?;
        if describes(&given) {
            let devices = self.found(&search_of(&given)?)?;
            self.change_all(&devices, &change_of(&given)?, &given)?;
        } else {
            if !given.arguments.len().is_multiple_of(2) {
                return Err(help::of("search"));
            }
            for pair in given.arguments.chunks_exact(2) {
                let devices = self.found(&device_text::search(&pair[0]).map_err(Stop::Refused)?)?;
                let change = device_text::change(&pair[1]).map_err(Stop::Refused)?;
                self.change_all(&devices, &change, &given)?;
            }
        }
        self.save()?;
        Ok(Exit::Success)
    }

    fn change_all(&mut self, devices: &[Device], change: &DeviceChange, given: &Given) -> Result<(), Stop> {
        self.confirm_change(devices, given, "info")?;
        for before in devices {
            let after = change.applied_to(before);
            if let Some(Device { id, ip, port, device, .. }) = self.builder()?.same_disk(&after) {
                return Err(Stop::Refused(format!("Device {id} already uses {ip}:{port}/{device}.")));
            }
            let set = self.builder_mut()?.set_info(before.id, change);
            set.map_err(|error| Stop::Refused(error.to_string()))?;
            self.print(&format!("Device {before} is now {after}"));
        }
        Ok(())
    }

    fn confirm_change(&mut self, devices: &[Device], given: &Given, what: &str) -> Result<(), Stop> {
        let count = devices.len();
        let question =
            format!("Are you sure you want to update the {what} for these {count} devices? (y/N) ");
        self.confirm(devices, given, &question, "Aborting device modifications")
    }
}
