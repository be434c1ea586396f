//! `kubectl swift ring export`.

use super::store;
use crate::kubectl::target::Where;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use swiftlet_plan::world::PublishedRings;

/// What `ring export` is told.
#[derive(clap::Args)]
pub struct Options {
    /// The folder; made where it is not there.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// An earlier generation.
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// Replace files that are there already.
    #[arg(long)]
    overwrite: bool,
}

/// Writes builders and rings.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let store = store::read(&place.target().await?).await?;
    let generation = store.get(options.generation)?;
    let files = files(&generation.published)?;
    write(&options.to, &files, options.overwrite)?;
    say!(
        "generation {}: {} written to {}",
        generation.number,
        files.keys().cloned().collect::<Vec<_>>().join(" "),
        options.to.display()
    );
    Ok(())
}

/// The files of a generation by name, in Swift's own formats.
pub fn files(published: &PublishedRings) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let rings = swiftlet_plan::rings::made_again(published).map_err(anyhow::Error::msg)?;
    let pair = rings.into_iter().flat_map(|(name, ring)| {
        [(format!("{name}.builder"), ring.builder), (format!("{name}.ring.gz"), ring.ring)]
    });
    Ok(pair.collect())
}

fn write(dir: &Path, files: &BTreeMap<String, Vec<u8>>, overwrite: bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let there: Vec<&str> = files.keys().filter(|name| dir.join(name).exists()).map(String::as_str).collect();
    if !there.is_empty() && !overwrite {
        bail!(
            "{} holds {} already; nothing was written. Give an empty folder, or --overwrite",
            dir.display(),
            there.join(" ")
        );
    }
    for (name, bytes) in files {
        let path = dir.join(name);
        swiftlet_ring::format::replace_file(&path, bytes)
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::generation;
    use super::*;
    use std::process::Command;

    /// `swift-ring-builder` of Python Swift, where `SWIFT_VENV` or `target/venv` holds it.
    fn swift_ring_builder() -> Option<PathBuf> {
        let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv");
        let venv = std::env::var_os("SWIFT_VENV").map_or_else(|| PathBuf::from(default), PathBuf::from);
        Some(venv.join("bin/swift-ring-builder")).filter(|path| path.exists())
    }

    #[test]
    fn what_is_there_is_not_written_over_unless_asked() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(&generation(1, 3).published).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["object.builder", "object.ring.gz"]);
        std::fs::write(dir.path().join("object.ring.gz"), "mine").unwrap();
        let error = write(dir.path(), &files, false).unwrap_err().to_string();
        assert!(error.contains("object.ring.gz already"), "{error}");
        assert!(!dir.path().join("object.builder").exists());
        write(dir.path(), &files, true).unwrap();
        assert_eq!(std::fs::read(dir.path().join("object.ring.gz")).unwrap(), files["object.ring.gz"]);
    }

    #[test]
    fn swifts_own_tool_reads_what_is_exported() {
        let Some(tool) = swift_ring_builder() else {
            eprintln!("no Python Swift here: not compared");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &files(&generation(1, 4).published).unwrap(), false).unwrap();
        let done = Command::new(&tool).arg(dir.path().join("object.builder")).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        for told in ["64 partitions, 3.000000 replicas", "4 devices", "object.ring.gz is up-to-date"] {
            assert!(said.contains(told), "{told}: {said}{}", String::from_utf8_lossy(&done.stderr));
        }
    }
}
