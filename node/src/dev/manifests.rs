//! Reads the manifests, or the one built in.

use super::DevError;
use std::path::PathBuf;
use swiftlet_plan::documents::Documents;
use swiftlet_plan::validate::{Desired, Problem};

/// The cluster that runs when no manifest is given: `deploy/examples/dev.yaml`.
const BUILT_IN: &str = include_str!("../../../deploy/examples/dev.yaml");
/// What errors call it.
const BUILT_IN_NAME: &str = "(built-in manifest)";

/// What was read, and from where.
#[derive(Debug)]
pub(super) struct Manifests {
    desired: Desired,
    documents: Documents,
}

impl Manifests {
    /// Reads `files`, or the manifest built in where there are none.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, DevError> {
        let mut documents = Documents::default();
        for path in files {
            let text = std::fs::read_to_string(path)
                .map_err(|error| DevError::ReadManifest { path: path.clone(), error })?;
            documents.read(&path.display().to_string(), &text)?;
        }
        if files.is_empty() {
            documents.read(BUILT_IN_NAME, BUILT_IN)?;
        }
        Ok(Self { desired: documents.desired()?, documents })
    }

    /// What they ask for.
    pub(super) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// `problem` with the file it is in.
    pub(super) fn locate(&self, problem: &Problem) -> String {
        match self.documents.file_of(&problem.subject) {
            Some(file) => format!("{file}: {problem}"),
            None => problem.to_string(),
        }
    }
}
