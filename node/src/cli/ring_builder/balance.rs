//! Commands that assign partitions and judge the assignment.

use swiftlet_ring::builder::{DispersionReport, MAX_BALANCE, Rebalanced};
use swiftlet_ring::format::FormatVersion;

use super::report::duration;
use super::ring_file::{FORMAT_VERSION, format_version};
use super::{Exit, Outcome, Session, Stop};
use crate::cli::optparse::Known;

const REBALANCE_OPTIONS: &[Known] = &[
    Known { letter: Some('f'), name: "force", has_value: false },
    Known { letter: Some('s'), name: "seed", has_value: true },
    Known { letter: Some('d'), name: "debug", has_value: false },
    FORMAT_VERSION,
    Known { letter: Some('h'), name: "help", has_value: false },
];

const DISPERSION_OPTIONS: &[Known] = &[
    Known { letter: None, name: "recalculate", has_value: false },
    Known { letter: Some('v'), name: "verbose", has_value: false },
    Known { letter: Some('h'), name: "help", has_value: false },
];

const RULE: &str = "-------------------------------------------------------------------------------";

impl Session<'_> {
    pub(super) fn rebalance(&mut self, args: &[String]) -> Outcome {
        let given = self.options(args, REBALANCE_OPTIONS)?;
        let version = format_version(&given)?;
        self.note_default_format(version);
        let builder = self.builder()?;
        if builder.next_part_power().is_some() {
            let refusal = "Partition power increase in progress.\n\
                           You need to finish the increase first before rebalancing.";
            return Err(Stop::Refused(refusal.into()));
        }
        let now_secs = self.console.now_secs();
        let seed = given.value("seed").filter(|seed| !seed.is_empty()).map(str::to_owned);
        let seed = seed.or_else(|| given.arguments.first().cloned()).unwrap_or_else(super::new_id);
        let was_changed = builder.devices_changed();
        let had_to_wait = builder.min_part_secs_left(now_secs) > 0;
        let dispersion_before = builder.dispersion();
        let balance_before = builder.balance().map_err(|error| invalid(&error))?;
        let done = self.builder_mut()?.rebalance(now_secs, &seed).map_err(|error| invalid(&error))?;

        let is_forced = given.has("force");
        if done.moved == 0 && !is_forced && done.removed_devices == 0 {
            return self.say_nothing_moved(had_to_wait, now_secs);
        }
        let balance_changed = (balance_before - done.balance).abs() >= 1.0
            || (balance_before == MAX_BALANCE && done.balance == MAX_BALANCE);
        let dispersion = self.builder()?.dispersion().unwrap_or(0.0);
        let dispersion_changed = dispersion_before.is_none_or(|before| (before - dispersion).abs() >= 1.0);
        if !is_forced && !was_changed && !balance_changed && !dispersion_changed {
            self.print("Cowardly refusing to save rebalance as it did not change at least 1%.");
            return Ok(Exit::Warning);
        }
        self.builder()?.validate().map_err(|error| invalid(&error))?;
        let exit = self.say_what_moved(&done, dispersion)?;
        self.save_balanced(version.unwrap_or_default(), now_secs)?;
        Ok(exit)
    }

    fn say_nothing_moved(&mut self, had_to_wait: bool, now_secs: u64) -> Outcome {
        self.print("No partitions could be reassigned.");
        if had_to_wait {
            let builder = self.builder()?;
            let left = duration(builder.min_part_secs_left(now_secs));
            let hours = builder.min_part_hours();
            self.print(&format!(
                "The time between rebalances must be at least min_part_hours: {hours} hours ({left} remaining)"
            ));
        } else {
            self.print("There is no need to do so at this time");
        }
        Ok(Exit::Warning)
    }

    fn say_what_moved(&mut self, done: &Rebalanced, dispersion: f64) -> Outcome {
        let Rebalanced { moved, balance, .. } = *done;
        let builder = self.builder()?;
        let (overload, hours) = (builder.overload(), builder.min_part_hours());
        let percent = 100.0 * moved as f64 / builder.part_count() as f64;
        self.print(&format!(
            "Reassigned {moved} ({percent:.2}%) partitions. Balance is now {balance:.2}.  Dispersion is now \
             {dispersion:.2}"
        ));
        let note = if dispersion > 0.0 {
            format!(
                "NOTE: Dispersion of {dispersion:.6} indicates some parts are not\n      optimally dispersed.\n\n      \
                 You may want to adjust some device weights, increase\n      the overload or review the dispersion \
                 report."
            )
        } else if balance > 5.0 && balance / 100.0 > overload {
            format!(
                "NOTE: Balance of {balance:.2} indicates you should push this \n      ring, wait at least {hours} \
                 hours, and rebalance/repush."
            )
        } else {
            return Ok(Exit::Success);
        };
        self.print(&format!("{RULE}\n{note}\n{RULE}"));
        Ok(Exit::Warning)
    }

    fn save_balanced(&mut self, version: FormatVersion, now_secs: u64) -> Result<(), Stop> {
        let ring = self.ring_bytes(version)?;
        let ring_path = self.files.ring.clone();
        self.write_file(&self.files.backup_of(&ring_path, now_secs), &ring)?;
        self.save_as(&self.files.backup_of(&self.files.builder, now_secs))?;
        self.write_file(&ring_path, &ring)?;
        self.save()
    }

    pub(super) fn dispersion(&mut self, args: &[String]) -> Outcome {
        self.require_balanced()?;
        let given = self.options(args, DISPERSION_OPTIONS)?;
        if given.has("recalculate") || !self.builder()?.has_dispersion_report() {
            self.builder_mut()?.recalculate_dispersion();
            self.save()?;
        }
        let mut report = self.builder()?.dispersion_report();
        if let Some(filter) = given.arguments.first() {
            let filter = regex::Regex::new(&format!("^(?:{filter})"))
                .map_err(|error| Stop::Failed(format!("invalid search filter: {error}")))?;
            report.tiers.retain(|tier| filter.is_match(&tier.name));
        }
        let builder = self.builder()?;
        let dispersion = builder.dispersion().unwrap_or(0.0);
        let balance = builder.balance().map_err(|error| Stop::Failed(error.to_string()))?;
        let required = builder.required_overload().map_err(|error| Stop::Failed(error.to_string()))?;
        let overload = builder.overload() * 100.0;
        self.print(&format!(
            "Dispersion is {dispersion:.6}, Balance is {balance:.6}, Overload is {overload:.2}%"
        ));
        self.print(&format!("Required overload is {:.6}%", required * 100.0));
        let worst =
            report.worst().map(|tier| format!("Worst tier is {:.6} ({})", tier.dispersion, tier.name));
        if let Some(line) = &worst {
            self.print(line);
        }
        if given.has("verbose") && !report.tiers.is_empty() {
            self.print_tiers(&report)?;
        }
        Ok(if worst.is_some() { Exit::Warning } else { Exit::Success })
    }

    fn print_tiers(&mut self, report: &DispersionReport) -> Result<(), Stop> {
        let builder = self.builder()?;
        let replicas = builder.replicas().ceil() as usize;
        let count_width = builder.part_count().to_string().len().max(5);
        let tier_width = report.tiers.iter().map(|tier| tier.name.chars().count()).max().unwrap_or(0).max(30);
        let counts = |counts: &mut dyn Iterator<Item = String>| {
            counts.map(|count| format!("{count:>count_width$}")).collect::<Vec<_>>().join(" ")
        };
        let replica_names = counts(&mut (0..=replicas).map(|count| count.to_string()));
        let header = format!(
            "{:<tier_width$} {:>count_width$} {:>6} {:>6} {replica_names}",
            "Tier", "Parts", "%", "Max"
        );
        let underline = "-".repeat(header.len());
        self.print(&format!("{underline}\n{header}\n{underline}"));
        for tier in &report.tiers {
            let by_replicas = counts(&mut tier.parts_by_replicas.iter().map(u64::to_string));
            self.print(&format!(
                "{:<tier_width$} {:>count_width$} {:>6.2} {:>6} {by_replicas}",
                tier.name, tier.placed_parts, tier.dispersion, tier.max_replicas
            ));
        }
        Ok(())
    }

    pub(super) fn validate(&mut self) -> Outcome {
        self.builder()?.validate().map_err(|error| Stop::Failed(error.to_string()))?;
        Ok(Exit::Success)
    }
}

fn invalid(error: &dyn std::fmt::Display) -> Stop {
    Stop::Refused(format!(
        "{RULE}\nAn error has occurred during ring validation. Common\ncauses of failure are rings that are empty or \
         do not\nhave enough devices to accommodate the replica count.\nOriginal exception message:\n {error}\n{RULE}"
    ))
}
