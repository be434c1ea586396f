//! Commands on the ring as a whole: create it, set its figures, double its partitions.

use swiftlet_ring::builder::Builder;

use super::arguments::{float, int};
use super::{Exit, Outcome, Session, Stop, help};

impl Session<'_> {
    pub(super) fn create(&mut self, args: &[String]) -> Outcome {
        let [part_power, replicas, min_part_hours, ..] = args else { return Err(help::of("create")) };
        let builder = (|| {
            let (part_power, replicas) = (int(part_power)?, float(replicas)?);
            Builder::new(part_power, replicas, int(min_part_hours)?).map_err(|error| error.to_string())
        })();
        self.builder = Some(builder.map_err(Stop::Refused)?);
        let backup = self.files.backup_of(&self.files.builder, self.console.now_secs());
        self.save_as(&backup)?;
        self.save()?;
        Ok(Exit::Success)
    }

    pub(super) fn set_min_part_hours(&mut self, args: &[String]) -> Outcome {
        let [hours, ..] = args else { return Err(help::of("set_min_part_hours")) };
        let number = int(hours).map_err(Stop::Failed)?;
        self.builder_mut()?.set_min_part_hours(number);
        self.print(&format!(
            "The minimum number of hours before a partition can be reassigned is now set to {hours}"
        ));
        self.save()?;
        Ok(Exit::Success)
    }

    pub(super) fn set_replicas(&mut self, args: &[String]) -> Outcome {
        let [replicas, ..] = args else { return Err(help::of("set_replicas")) };
        let number = match float(replicas) {
            Ok(number) => number,
            Err(_) => {
                self.print(&help::text("set_replicas"));
                return Err(Stop::Refused(format!("\"{replicas}\" is not a valid number.")));
            }
        };
        if number < 1.0 {
            return Err(Stop::Refused("Replica count must be at least 1.".into()));
        }
        self.builder_mut()?.set_replicas(number).map_err(|error| Stop::Refused(error.to_string()))?;
        self.print(&format!("The replica count is now {number:.6}."));
        self.print("The change will take effect after the next rebalance.");
        self.save()?;
        Ok(Exit::Success)
    }

    pub(super) fn set_overload(&mut self, args: &[String]) -> Outcome {
        let [overload, ..] = args else { return Err(help::of("set_overload")) };
        let is_percent = overload.ends_with('%');
        let digits = overload.trim_end_matches('%');
        let mut number = match float(digits) {
            Ok(number) => number,
            Err(_) => {
                self.print(&help::text("set_overload"));
                return Err(Stop::Refused(format!("'{digits}' is not a valid number.")));
            }
        };
        if is_percent {
            number *= 0.01;
        }
        if number < 0.0 {
            return Err(Stop::Refused("Overload must be non-negative.".into()));
        }
        self.builder_mut()?.set_overload(number).map_err(|error| Stop::Refused(error.to_string()))?;
        let is_suspicious = number > 1.0 && !is_percent;
        if is_suspicious {
            self.print("!?! Warning overload is greater than 100% !?!");
        }
        self.print(&format!("The overload factor is now {:.2}% ({number:.6})", number * 100.0));
        self.print("The change will take effect after the next rebalance.");
        self.save()?;
        Ok(if is_suspicious { Exit::Warning } else { Exit::Success })
    }

    pub(super) fn pretend_min_part_hours_passed(&mut self) -> Outcome {
        self.builder_mut()?.pretend_min_part_hours_passed();
        self.save()?;
        Ok(Exit::Success)
    }

    pub(super) fn prepare_increase(&mut self) -> Outcome {
        let name = self.files.builder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.contains("object") {
            let refusal = "Partition power increase is only supported for object rings.";
            return Err(Stop::Refused(refusal.into()));
        }
        self.builder_mut()?
            .prepare_part_power_increase()
            .map_err(|_| Stop::Refused("Ring is already prepared for partition power increase.".into()))?;
        self.save()?;
        self.print_next_part_power()?;
        self.print("Ensure your proxy-servers, object-replicators and ");
        self.print("reconstructors are using the changed rings and relink ");
        self.print("(using swift-object-relinker) your existing data");
        self.print("before the partition power increase");
        Ok(Exit::Success)
    }

    pub(super) fn increase(&mut self) -> Outcome {
        let now_secs = self.console.now_secs();
        self.builder_mut()?.increase_part_power(now_secs).map_err(|_| {
            let refusal = "Ring partition power cannot be increased. Either the ring\n\
                           was not prepared yet, or this operation has already run.";
            Stop::Refused(refusal.into())
        })?;
        let part_power = self.builder()?.part_power();
        self.print(&format!("The partition power is now {part_power}."));
        self.print("The change will take effect after the next write_ring.");
        self.save()?;
        Ok(Exit::Success)
    }

    pub(super) fn cancel_increase(&mut self) -> Outcome {
        self.builder_mut()?
            .cancel_part_power_increase()
            .map_err(|_| Stop::Refused("Ring partition power increase cannot be canceled.".into()))?;
        self.save()?;
        self.print_next_part_power()?;
        self.print("Ensure your object-servers are using the changed rings and");
        self.print("cleanup (using swift-object-relinker) the hard links");
        Ok(Exit::Success)
    }

    pub(super) fn finish_increase(&mut self) -> Outcome {
        self.builder_mut()?
            .finish_part_power_increase()
            .map_err(|_| Stop::Refused("Ring partition power increase cannot be finished.".into()))?;
        self.print("The change will take effect after the next write_ring.");
        self.save()?;
        Ok(Exit::Success)
    }

    fn print_next_part_power(&mut self) -> Result<(), Stop> {
        let builder = self.builder()?;
        let next = builder.next_part_power().unwrap_or(builder.part_power());
        self.print(&format!("The next partition power is now {next}."));
        self.print("The change will take effect after the next write_ring.");
        Ok(())
    }
}
