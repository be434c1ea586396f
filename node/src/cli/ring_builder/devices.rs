//! Commands that find, add and remove devices.

use std::collections::HashSet;

use swiftlet_ring::builder::{MAX_BALANCE, NewDevice, Search};
use swiftlet_ring::{Device, DeviceId};

use super::arguments::{describes, float, number, search_of};
use super::device_text;
use super::{Exit, Outcome, Session, Stop, help};
use crate::cli::optparse::Given;
use swiftlet_ring::address::normalize_address;

const UNCHANGED: &str = "The on-disk ring builder is unchanged.";
const INCREASING: &str = "Partition power increase in progress. You need ";

impl Session<'_> {
    pub(super) fn add(&mut self, args: &[String]) -> Outcome {
        if args.len() < 2 {
            return Err(help::of("add"));
        }
        if self.builder()?.next_part_power().is_some() {
            let refusal = format!("{INCREASING}\nto finish the increase first before adding devices.");
            return Err(Stop::Refused(refusal));
        }
        let given = self.device_arguments(args)?;
        for new in self.new_devices(&given)? {
            let weight = new.weight;
            let id = self.builder_mut()?.add(new).map_err(|error| unchanged(&error.to_string()))?;
            let device = self.device(id)?;
            if let Some(twin) = self.builder()?.same_disk(&device) {
                let Device { id, ip, port, device, .. } = twin;
                let refusal = format!("Device {id} already uses {ip}:{port}/{device}.\n{UNCHANGED}\n");
                return Err(Stop::Refused(refusal));
            }
            self.print(&format!("Device {device} with {weight:?} weight got id {id}"));
        }
        self.save()?;
        Ok(Exit::Success)
    }

    fn new_devices(&mut self, given: &Given) -> Result<Vec<NewDevice>, Stop> {
        if given.arguments.is_empty() {
            return Ok(vec![from_options(given)?]);
        }
        if describes(given) || !given.arguments.len().is_multiple_of(2) {
            return Err(help::of("add"));
        }
        let mut devices = Vec::new();
        for pair in given.arguments.chunks_exact(2) {
            let (word, weight) = (&pair[0], &pair[1]);
            let (new, region) = device_text::new_device(word).map_err(|error| unchanged(&error))?;
            if region.is_none() {
                let warning = format!("WARNING: No region specified for {word}. Defaulting to region 1.\n");
                self.console.complain(&warning);
            }
            let weight = float(weight).map_err(|error| unchanged(&error))?;
            if weight.is_nan() || weight < 0.0 {
                return Err(unchanged(&format!("Invalid weight value: {word}")));
            }
            devices.push(NewDevice { weight, ..new });
        }
        Ok(devices)
    }

    pub(super) fn search(&mut self, args: &[String]) -> Outcome {
        if args.is_empty() {
            return Err(help::with_search_value("search"));
        }
        let given = self.device_arguments(args)?;
        if given.arguments.len() > 1 || (describes(&given) && !given.arguments.is_empty()) {
            return Err(help::of("search"));
        }
        let found = self.matching(&given)?;
        if found.is_empty() {
            return Err(Stop::Refused("No matching devices found".into()));
        }
        self.print(
            "Devices:    id  region  zone      ip address  port  replication ip  replication port      name weight \
             partitions balance meta",
        );
        for device in found {
            let builder = self.builder()?;
            let held = builder.parts_held(device.id);
            let balance = builder.device_balance(&device).unwrap_or(if held > 0 { MAX_BALANCE } else { 0.0 });
            let Device { id, region, zone, ip, port, replication_ip, replication_port, device, weight, meta } =
                &device;
            self.print(&format!(
                "         {id:>5} {region:>7} {zone:>5} {ip:>15} {port:>5} {replication_ip:>15} \
                 {replication_port:>17} {device:>9} {weight:>6.2} {held:>10} {balance:>7.2} {meta}"
            ));
        }
        Ok(Exit::Success)
    }

    pub(super) fn list_parts(&mut self, args: &[String]) -> Outcome {
        if args.is_empty() {
            return Err(help::with_search_value("list_parts"));
        }
        self.require_balanced()?;
        let given = self.device_arguments(args)?;
        if describes(&given) && !given.arguments.is_empty() {
            return Err(help::of("list_parts"));
        }
        let devices: HashSet<DeviceId> = self.matching(&given)?.into_iter().map(|device| device.id).collect();
        let parts = self.builder()?.parts_on(&devices);
        if parts.is_empty() {
            return Err(Stop::Refused("No matching devices found".into()));
        }
        self.print("Partition   Matches");
        for (part, matches) in parts {
            self.print(&format!("{part:>9}   {matches:>7}"));
        }
        Ok(Exit::Success)
    }

    pub(super) fn remove(&mut self, args: &[String]) -> Outcome {
        if args.is_empty() {
            return Err(help::with_search_value("remove"));
        }
        if self.builder()?.next_part_power().is_some() {
            let refusal = format!("{INCREASING}\nto finish the increase first before removing devices.");
            return Err(Stop::Refused(refusal));
        }
        let given = self.device_arguments(args)?;
        if describes(&given) && !given.arguments.is_empty() {
            return Err(help::of("remove"));
        }
        let devices = self.matching(&given)?;
        let question = format!("Are you sure you want to remove these {} devices? (y/N) ", devices.len());
        self.confirm(&devices, &given, &question, "Aborting device removals")?;
        for device in devices {
            self.builder_mut()?.remove(device.id).map_err(|error| Stop::Refused(error.to_string()))?;
            self.print(&format!("{device} marked for removal and will be removed next rebalance."));
        }
        self.save()?;
        Ok(Exit::Success)
    }

    /// Devices that the search values, or the options when there are none, ask for.
    pub(super) fn matching(&self, given: &Given) -> Result<Vec<Device>, Stop> {
        if given.arguments.is_empty() {
            return self.found(&search_of(given)?);
        }
        let mut devices = Vec::new();
        for word in &given.arguments {
            devices.extend(self.found(&device_text::search(word).map_err(Stop::Refused)?)?);
        }
        Ok(devices)
    }

    pub(super) fn found(&self, search: &Search) -> Result<Vec<Device>, Stop> {
        Ok(self.builder()?.search(search).cloned().collect())
    }

    pub(super) fn device(&self, id: DeviceId) -> Result<Device, Stop> {
        let missing = || Stop::Failed(format!("there is no device with id {id}"));
        self.builder()?.device(id).cloned().ok_or_else(missing)
    }

    /// Refuses a change of no device, and asks before one of several.
    pub(super) fn confirm(
        &mut self,
        devices: &[Device],
        given: &Given,
        question: &str,
        refusal: &str,
    ) -> Result<(), Stop> {
        if devices.is_empty() {
            return Err(Stop::Refused(format!("Search value matched 0 devices.\n{UNCHANGED}")));
        }
        if devices.len() == 1 {
            return Ok(());
        }
        self.print("Matched more than one device:");
        for device in devices {
            self.print(&format!("    {device}"));
        }
        if given.has("yes") || self.console.ask(question).as_deref() == Some("y") {
            return Ok(());
        }
        Err(Stop::Refused(refusal.into()))
    }

    pub(super) fn require_balanced(&self) -> Result<(), Stop> {
        if self.builder()?.is_balanced_once() {
            return Ok(());
        }
        let path = self.files.builder.display();
        let refusal =
            format!("Specified builder file \"{path}\" is not rebalanced yet. Please rebalance first.");
        Err(Stop::Refused(refusal))
    }
}

fn unchanged(error: &str) -> Stop {
    Stop::Refused(format!("{error}\n{UNCHANGED}"))
}

fn from_options(given: &Given) -> Result<NewDevice, Stop> {
    let required =
        [('r', "region"), ('z', "zone"), ('i', "ip"), ('p', "port"), ('d', "device"), ('w', "weight")];
    for (letter, name) in required {
        if !given.has(name) {
            return Err(unchanged(&format!("Required argument -{letter}/--{name} not specified.")));
        }
    }
    let address = |name: &str| {
        let text =
            given.value(name).filter(|text| !text.is_empty()).or(given.value("ip")).unwrap_or_default();
        normalize_address(text).ok_or_else(|| unchanged(&format!("Invalid address {text}")))
    };
    let device = given.value("device").unwrap_or_default().to_owned();
    device_text::check_device_name(&device).map_err(|error| unchanged(&error))?;
    let port: u16 = number(given, "port")?.unwrap_or_default();
    Ok(NewDevice {
        id: None,
        region: number(given, "region")?.unwrap_or_default(),
        zone: number(given, "zone")?.unwrap_or_default(),
        ip: address("ip")?,
        port,
        replication_ip: address("replication-ip")?,
        replication_port: number(given, "replication-port")?.filter(|&port| port > 0).unwrap_or(port),
        device,
        weight: number(given, "weight")?.unwrap_or_default(),
        meta: given.value("meta").unwrap_or_default().to_owned(),
    })
}
