//! Commands on ring files.

use std::path::Path;

use swiftlet_ring::builder::Builder;
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_ring::load_data;

use super::arguments::{int, usage_error};
use super::{Exit, Outcome, Session, Stop, cannot_write};
use crate::cli::optparse::{Given, Known};

pub(super) const FORMAT_VERSION: Known = Known { letter: None, name: "format-version", has_value: true };

const WRITE_RING_OPTIONS: &[Known] = &[
    FORMAT_VERSION,
    Known { letter: None, name: "dev-id-bytes", has_value: true },
    Known { letter: Some('h'), name: "help", has_value: false },
];

/// The format asked for, if one was.
pub(super) fn format_version(given: &Given) -> Result<Option<FormatVersion>, Stop> {
    match given.value("format-version") {
        None => Ok(None),
        Some("1") => Ok(Some(FormatVersion::V1)),
        Some("2") => Ok(Some(FormatVersion::V2)),
        Some(other) => Err(invalid_choice("format-version", other, "'1', '2'")),
    }
}

fn invalid_choice(option: &str, value: &str, choices: &str) -> Stop {
    usage_error(&format!("option --{option}: invalid choice: '{value}' (choose from {choices})"))
}

impl Session<'_> {
    pub(super) fn write_ring(&mut self, args: &[String]) -> Outcome {
        let given = self.options(args, WRITE_RING_OPTIONS)?;
        let version = format_version(&given)?;
        let id_bytes = match given.value("dev-id-bytes") {
            None => None,
            Some("2") => Some(2),
            Some("4") => Some(4),
            Some(other) => return Err(invalid_choice("dev-id-bytes", other, "'2', '4'")),
        };
        self.note_default_format(version);
        if self.builder()?.device_slots() == 0 {
            return Err(Stop::Refused("Unable to write empty ring.".into()));
        }
        if let Some(id_bytes) = id_bytes {
            self.builder_mut()?.set_id_bytes(id_bytes);
        }
        if !self.builder()?.is_balanced_once() {
            self.console.complain(
                "WARNING: Writing a ring with no partition assignments but with devices; did you forget to run \
                 \"rebalance\"?",
            );
        }
        let ring = self.ring_bytes(version.unwrap_or_default())?;
        let path = self.files.ring.clone();
        self.write_file(&self.files.backup_of(&path, self.console.now_secs()), &ring)?;
        self.write_file(&path, &ring)?;
        Ok(Exit::Success)
    }

    pub(super) fn ring_bytes(&self, version: FormatVersion) -> Result<Vec<u8>, Stop> {
        format::write(&self.builder()?.ring(), version).map_err(|error| Stop::Failed(error.to_string()))
    }

    pub(super) fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), Stop> {
        format::replace_file(path, bytes).map_err(|error| cannot_write(path, &error))
    }

    pub(super) fn write_builder(&mut self, args: &[String]) -> Outcome {
        if self.files.builder.exists() {
            let path = self.files.builder.display();
            return Err(Stop::Refused(format!(
                "Cowardly refusing to overwrite existing Ring Builder file: {path}"
            )));
        }
        let min_part_hours = match args.first() {
            Some(hours) => int(hours).map_err(Stop::Failed)?,
            None => {
                self.console.complain(
                    "WARNING: default min_part_hours may not match the value in the lost builder.\n",
                );
                24
            }
        };
        let ring = load_data(&self.files.ring).map_err(|error| Stop::Failed(error.to_string()))?;
        let builder =
            Builder::from_ring(&ring, min_part_hours).map_err(|error| Stop::Failed(error.to_string()))?;
        self.builder = Some(builder);
        self.save()?;
        Ok(Exit::Success)
    }

    pub(super) fn version(&mut self) -> Outcome {
        let path = &self.files.ring;
        let bytes = std::fs::read(path)
            .map_err(|error| Stop::Failed(format!("cannot read {}: {error}", path.display())))?;
        let (ring, version) = format::read_versioned(&bytes)
            .map_err(|error| Stop::Refused(format!("{}: {error}", path.display())))?;
        let number = match version {
            FormatVersion::V1 => 1,
            FormatVersion::V2 => 2,
        };
        let build = ring.version.map_or("None".to_owned(), |version| version.to_string());
        let line = format!(
            "{}: Serialization version: {number} ({}-byte IDs), build version: {build}",
            path.display(),
            ring.id_bytes()
        );
        self.print(&line);
        Ok(Exit::Success)
    }
}
