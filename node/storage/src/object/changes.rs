//! Changes that are under way: which of them a device would owe if this process ended now.
//!
//! A change is owed from the moment its file gets its name until its suffix is noted and its container was told, or
//! the telling is saved. A device is marked ([`RunMark`]) before its first change; the mark is moved on from time to
//! time as far as nothing older is under way, and removed when nothing is.

use super::location::Location;
use crate::run_mark::{RunMark, RunMarkError, sync_device};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How far a mark stays behind: what a container server on another device was told and has not written to disk yet
/// (it does not sync each update) may be lost together with this process. Systems write back within half a minute.
const STAYS_BEHIND: Duration = Duration::from_secs(60);
/// Changes that were left unsettled and are remembered to be settled in this run; of more, the mark remains.
const MAX_OWED: usize = 4096;

/// The changes on all devices of a store.
#[derive(Debug, Default)]
pub struct Changes {
    devices: Mutex<HashMap<PathBuf, Arc<DeviceRun>>>,
}

impl Changes {
    /// A change at `at` is about to begin: its device is marked.
    pub(super) fn begin(&self, at: &Location) -> Result<Change, RunMarkError> {
        let run = self.run(&at.device);
        let period = run.begin()?;
        Ok(Change { run, at: at.clone(), period: Some(period), is_made: false })
    }

    /// Changes on `device` that were made and never settled, because whoever made them did not come to it.
    pub fn owed(&self, device: &Path) -> Vec<Change> {
        let run = self.run(device);
        let owed = std::mem::take(&mut run.state.lock().owed);
        let change = |(at, period)| Change { run: run.clone(), at, period: Some(period), is_made: true };
        owed.into_iter().map(change).collect()
    }

    /// Moves the mark of `device` on as far as everything is settled.
    pub fn checkpoint(&self, device: &Path) -> Result<(), RunMarkError> {
        self.run(device).checkpoint()
    }

    /// Removes the mark of `device`, unless something is under way; whether nothing was.
    pub fn finish(&self, device: &Path) -> Result<bool, RunMarkError> {
        self.run(device).finish()
    }

    fn run(&self, device: &Path) -> Arc<DeviceRun> {
        let mut devices = self.devices.lock();
        match devices.get(device) {
            Some(run) => run.clone(),
            None => devices.entry(device.to_owned()).or_insert_with(|| DeviceRun::new(device)).clone(),
        }
    }
}

/// A change of one object; its device owes the rest of it until [`settle`](Self::settle).
#[derive(Debug)]
pub struct Change {
    run: Arc<DeviceRun>,
    at: Location,
    /// Taken when it has been passed on.
    period: Option<Arc<Period>>,
    is_made: bool,
}

impl Change {
    /// The object.
    pub fn location(&self) -> &Location {
        &self.at
    }

    /// From now on the change can be seen.
    pub(super) fn made(&mut self) {
        self.is_made = true;
    }

    /// Its suffix is noted and its container knows, or will be told.
    pub fn settle(mut self) {
        self.is_made = false;
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if let (true, Some(period)) = (self.is_made, self.period.take()) {
            self.run.owe(self.at.clone(), period);
        }
    }
}

/// A stretch of time; the changes that began in it hold it.
#[derive(Debug)]
struct Period {
    began: SystemTime,
}

/// What this process does on one device.
#[derive(Debug)]
struct DeviceRun {
    device: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mark: Option<Arc<RunMark>>,
    /// The oldest first. Those that nobody holds are dropped at the next turn.
    periods: Vec<Arc<Period>>,
    owed: Vec<(Location, Arc<Period>)>,
}

impl DeviceRun {
    fn new(device: &Path) -> Arc<Self> {
        Arc::new(Self { device: device.to_owned(), state: Mutex::default() })
    }

    fn begin(&self) -> Result<Arc<Period>, RunMarkError> {
        let mut state = self.state.lock();
        if state.mark.is_none() {
            let mark = RunMark::begin(&self.device, SystemTime::now() - STAYS_BEHIND)?;
            state.mark = Some(Arc::new(mark));
        }
        Ok(state.current())
    }

    fn owe(&self, at: Location, period: Arc<Period>) {
        let mut state = self.state.lock();
        if state.owed.len() < MAX_OWED {
            state.owed.push((at, period));
        } else {
            // Held for good: the mark goes no further, and stays for the next start to find.
            std::mem::forget(period);
        }
    }

    fn checkpoint(&self) -> Result<(), RunMarkError> {
        let (mark, settled) = {
            let mut state = self.state.lock();
            let Some(mark) = state.mark.clone() else { return Ok(()) };
            state.turn_over();
            let settled = state.settled_until();
            let mark = match mark.renew(&self.device)? {
                None => mark,
                Some(renewed) => state.mark.insert(Arc::new(renewed)).clone(),
            };
            (mark, settled)
        };
        sync_device(&self.device)?;
        let until = (settled - STAYS_BEHIND).max(mark.settled_until()?);
        mark.stamp(until)
    }

    fn finish(&self) -> Result<bool, RunMarkError> {
        let mut state = self.state.lock();
        if state.periods.iter().any(is_held) {
            return Ok(false);
        }
        state.periods.clear();
        match state.mark.take().and_then(Arc::into_inner) {
            Some(mark) => RunMark::finish([mark], &self.device).map(|()| true),
            None => Ok(true),
        }
    }
}

impl State {
    /// The period of a change that begins now.
    fn current(&mut self) -> Arc<Period> {
        match self.periods.last() {
            Some(period) => period.clone(),
            None => {
                let period = Arc::new(Period { began: SystemTime::now() });
                self.periods.push(period.clone());
                period
            }
        }
    }

    /// Begins a new period, and drops those before it that nobody holds.
    fn turn_over(&mut self) {
        self.periods.retain(is_held);
        self.periods.push(Arc::new(Period { began: SystemTime::now() }));
    }

    /// Everything before this is settled.
    fn settled_until(&self) -> SystemTime {
        self.periods.first().map_or_else(SystemTime::now, |period| period.began)
    }
}

/// Whether a change holds it, besides the list of periods.
fn is_held(period: &Arc<Period>) -> bool {
    Arc::strong_count(period) > 1
}
