//! Audit watchers: who is shown every object that passed, and may ask for it to be taken away.
//!
//! A watcher is one file here and one line in [`WatcherKind`]. It is asked from the scan's task and never touches a disk
//! itself: what it wishes for, the scan does. Each scan has watchers of its own, made from [`Watchers`] when it begins.

mod dark_data;

use super::plan::Scan;
use crate::direct_client::DirectClient;
use async_trait::async_trait;
use dark_data::{DarkData, DarkDataConfig};
use std::io;
use swiftlet_storage::object::{HashDir, quarantine_dir, remove_up_to};
use swiftlet_types::Timestamp;
use swiftlet_types::conf::{ConfError, Ini, OptionError, Options};
use thiserror::Error;

/// The watchers that there are, by the names that `watchers =` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatcherKind {
    /// `swift#dark_data`: objects that no container lists.
    DarkData,
}

impl WatcherKind {
    const ALL: [Self; 1] = [Self::DarkData];

    fn name(self) -> &'static str {
        match self {
            Self::DarkData => "swift#dark_data",
        }
    }

    /// Those that `watchers` of `[object-auditor]` names, each once.
    pub fn named_in(options: &Options) -> Result<Vec<Self>, OptionError> {
        let mut kinds = Vec::new();
        for name in options.list("watchers", "") {
            let Some(kind) = Self::ALL.into_iter().find(|kind| kind.name() == name) else {
                return Err(options.error("watchers", format!("there is no audit watcher {name:?}")));
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(kinds)
    }

    /// Its options: its own section's, and behind them the auditor's.
    fn options(self, ini: &Ini, auditor: &Options) -> Result<Options, ConfError> {
        let section = format!("{}:watcher:{}", auditor.section(), self.name());
        let own = match ini.has_section(&section) {
            true => ini.daemon(&section)?,
            false => Options::new(ini.path(), section),
        };
        Ok(auditor.iter().fold(own, |own, (option, value)| match own.str(option) {
            None => own.with(option, value),
            Some(_) => own,
        }))
    }
}

/// Why watchers cannot be set up.
#[derive(Debug, Error)]
pub enum WatcherError {
    /// A section cannot be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// An option cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// An object that passed.
#[derive(Debug, Clone)]
pub struct SeenObject {
    /// `/account/container/object`.
    pub name: String,
    /// When it was put, or its metadata last changed.
    pub timestamp: Timestamp,
    /// Its bytes.
    pub size: u64,
    /// Where its files lie.
    pub at: HashDir,
}

/// What a watcher wishes for an object that it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it stays.
    Keep,
    /// That it is set aside.
    Quarantine,
    /// That it is removed.
    Delete,
}

/// Who is shown the objects of one scan.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// The scan begins.
    fn start(&mut self, scan: Scan);
    /// Here is an object that passed.
    async fn see_object(&mut self, object: &SeenObject) -> Wish;
    /// The scan has ended.
    fn end(&mut self);
}

/// Makes a watcher for each scan.
type Factory = Box<dyn Fn() -> Box<dyn Watcher> + Send + Sync>;

/// The watchers as they are configured.
#[derive(Default)]
pub struct Watchers {
    each: Vec<(WatcherKind, Factory)>,
}

impl Watchers {
    /// Those of `kinds`; `options` are the auditor's, from the file `ini`. A watcher whose `containers` cannot be had is
    /// left out, and the log says so: objects are to be audited all the same, as Swift does.
    pub fn load<E: std::fmt::Display>(
        kinds: &[WatcherKind],
        ini: &Ini,
        options: &Options,
        containers: impl Fn() -> Result<DirectClient, E>,
    ) -> Result<Self, WatcherError> {
        let mut watchers = Self::default();
        for kind in kinds {
            let options = kind.options(ini, options)?;
            let factory: Factory = match kind {
                WatcherKind::DarkData => {
                    let config = DarkDataConfig::from_options(&options)?;
                    match containers() {
                        Ok(containers) => {
                            Box::new(move || Box::new(DarkData::new(config.clone(), containers.clone())))
                        }
                        Err(error) => {
                            tracing::error!("[audit-watcher {}] Error initializing: {error}", kind.name());
                            continue;
                        }
                    }
                }
            };
            watchers.each.push((*kind, factory));
        }
        Ok(watchers)
    }

    /// Begins to watch a scan.
    pub(super) fn start(&self, scan: Scan) -> Watching {
        let mut each: Vec<_> = self.each.iter().map(|(kind, make)| (*kind, make())).collect();
        each.iter_mut().for_each(|(_, watcher)| watcher.start(scan));
        Watching { each }
    }
}

/// The watchers of a scan that is under way.
pub(super) struct Watching {
    each: Vec<(WatcherKind, Box<dyn Watcher>)>,
}

impl Watching {
    /// Shows them an object. The first wish that is not to keep it counts, and who wished for it.
    pub async fn see_object(&mut self, object: &SeenObject) -> (Wish, &'static str) {
        for (kind, watcher) in &mut self.each {
            match watcher.see_object(object).await {
                Wish::Keep => {}
                wish => return (wish, kind.name()),
            }
        }
        (Wish::Keep, "")
    }

    /// The scan has ended.
    pub fn end(&mut self) {
        self.each.iter_mut().for_each(|(_, watcher)| watcher.end());
    }
}

/// Does what was wished for, as a job on the object's device.
pub(super) fn fulfil(wish: Wish, object: &SeenObject) -> io::Result<()> {
    match wish {
        Wish::Keep => Ok(()),
        Wish::Quarantine => quarantine_dir(&object.at.device, &object.at.dir).map(drop),
        Wish::Delete => remove_up_to(&object.at.dir, object.timestamp),
    }
}
