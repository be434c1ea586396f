//! The work itself: object by object through an inventory, the bytes of each from the first copy that is sound.

use super::content::ContentError;
use super::{Content, Object, PutError, Taken, Target};
use crate::recover::inventory::{Copies, Counts, Index, IndexError, Indexed, Standing, State, Version};
use crate::recover::problems::Problems;
use crate::recover::progress::{Progress, Style};
use serde::Serialize;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use swiftlet_storage::object::{Metadata, ObjectPath};
use swiftlet_types::Timestamp;
use thiserror::Error;

/// Objects between two notes of how far the work has come.
const BATCH: usize = 256;
/// Manifests may be of manifests of manifests, but not deeper than this.
const MANIFEST_DEPTH_MAX: usize = 10;

/// How objects are recovered.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The time that decides what has expired.
    pub now: Timestamp,
    /// Recover what has expired, too.
    pub include_expired: bool,
    /// Objects at once.
    pub workers: usize,
    /// How progress is shown.
    pub style: Style,
}

/// What became of the objects.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many are in which state, those of earlier runs included.
    pub objects: Counts,
    /// Bytes of what this run recovered.
    pub bytes: u64,
    /// Objects whose bytes are ciphertext, of what this run recovered.
    pub encrypted: u64,
}

/// Why the work stopped.
#[derive(Debug, Error)]
pub enum WorkError {
    /// The inventory failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// What the target took could not be made durable.
    #[error("cannot write what was recovered to disk: {0}")]
    Sync(#[from] io::Error),
}

/// One object to recover.
struct Job {
    object: Indexed,
    copies: Copies,
    is_folder_too: bool,
}

/// What became of one.
#[derive(Default)]
struct Done {
    state: Option<State>,
    bytes: u64,
    is_encrypted: bool,
    problems: Vec<String>,
}

/// Recovers every object of `index` that has not been; without a target, says what would be.
pub fn recover(
    index: &Index,
    target: Option<&dyn Target>,
    options: &Options,
    problems: &mut Problems,
) -> Result<Report, WorkError> {
    let mut report = Report::default();
    for (pass, state) in std::iter::once(State::Found).chain([State::Later; MANIFEST_DEPTH_MAX]).enumerate() {
        let before = index.counts()?;
        if before.found == 0 {
            break;
        }
        let mut progress = Progress::new(options.style, "recovering", before.found, "objects");
        let mut said = Problems::default();
        recover_all(index, state, target, options, &mut report, &mut progress, &mut said)?;
        progress.finish();
        // what only waits for others is no problem before the last pass
        let is_last = index.counts()?.found == before.found || pass == MANIFEST_DEPTH_MAX;
        if state == State::Found || is_last {
            problems.append(said);
        }
        if is_last && state == State::Later {
            break;
        }
    }
    report.objects = index.counts()?;
    Ok(report)
}

/// All that are in `state`, once each.
fn recover_all(
    index: &Index,
    state: State,
    target: Option<&dyn Target>,
    options: &Options,
    report: &mut Report,
    progress: &mut Progress,
    problems: &mut Problems,
) -> Result<(), WorkError> {
    let has_folders = target.is_some_and(|target| target.has_folders());
    let is_second_pass = state == State::Later;
    let mut after = (String::new(), -1);
    loop {
        let objects = index.objects(state, &after, BATCH)?;
        let Some(last) = objects.last() else { return Ok(()) };
        after = (last.name.clone().unwrap_or_default(), last.id);
        let job = |object: Indexed| -> Result<Job, IndexError> {
            let copies = Copies::new(object.hash, index.files(object.id)?);
            let folder = object.name.as_ref().filter(|_| has_folders).map(|name| format!("{name}/"));
            let is_folder_too = folder.map_or(Ok(false), |folder| index.has_name_with_prefix(&folder))?;
            Ok(Job { object, copies, is_folder_too })
        };
        let jobs = objects.into_iter().map(job).collect::<Result<Vec<_>, _>>()?;
        let done = run_jobs(&jobs, target, options, is_second_pass);
        if let Some(target) = target {
            target.sync()?;
        }
        let states: Vec<(i64, State)> =
            done.iter().filter_map(|(job, done)| Some((job.object.id, done.state?))).collect();
        index.set_states(&states)?;
        for (_, done) in done {
            report.bytes += done.bytes;
            report.encrypted += u64::from(done.is_encrypted);
            done.problems.into_iter().for_each(|problem| problems.note(problem));
        }
        progress.add(jobs.len() as u64);
    }
}

/// What becomes of each job, by several threads.
fn run_jobs<'a>(
    jobs: &'a [Job],
    target: Option<&dyn Target>,
    options: &Options,
    is_second_pass: bool,
) -> Vec<(&'a Job, Done)> {
    let next = AtomicUsize::new(0);
    let take = || jobs.get(next.fetch_add(1, Ordering::Relaxed));
    let work = || {
        let done = |job| (job, run_job(job, target, options, is_second_pass));
        std::iter::from_fn(take).map(done).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.workers.max(1)).map(|_| scope.spawn(work)).collect();
        // what a thread that failed had in hand stays to be done
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn run_job(job: &Job, target: Option<&dyn Target>, options: &Options, is_second_pass: bool) -> Done {
    let version = match job.copies.standing() {
        Standing::There(version) => version,
        Standing::Deleted { .. } | Standing::Nothing => {
            return Done { state: Some(State::Deleted), ..Done::default() };
        }
    };
    let mut done = Done::default();
    let Some(path) = job.object.name.as_deref().and_then(ObjectPath::from_name) else {
        done.problems.push(format!("object {}: no file of it tells its name", job.object.hash));
        done.state = Some(State::Damaged);
        return done;
    };
    let name = path.name();
    let work = Attempt {
        version: &version,
        path,
        is_folder_too: job.is_folder_too,
        target,
        options,
        is_second_pass,
    };
    work.run(&mut done);
    if done.state == Some(State::Damaged) {
        done.problems.push(format!("{name}: no sound copy of its version of {} is left", version.timestamp));
    }
    done
}

/// One object's recovery.
struct Attempt<'a> {
    version: &'a Version,
    path: ObjectPath,
    is_folder_too: bool,
    target: Option<&'a dyn Target>,
    options: &'a Options,
    is_second_pass: bool,
}

impl Attempt<'_> {
    fn run(self, done: &mut Done) {
        let is_fragmented = self.version.data.iter().any(|(index, _)| index.is_some());
        if is_fragmented {
            let content =
                Content::of_fragments(&self.version.data, |error| done.problems.push(error.to_string()));
            return self.settle(content, "its fragments", done);
        }
        for (_, copy) in &self.version.data {
            self.settle(Content::of_copy(copy), &copy.display().to_string(), done);
            if done.state != Some(State::Damaged) {
                return;
            }
        }
    }

    /// Offers what was found in `place` to the target.
    fn settle(&self, found: Result<(Metadata, Content), ContentError>, place: &str, done: &mut Done) {
        match found {
            Ok((metadata, content)) => self.put(metadata, content, place, done),
            Err(error) => {
                done.problems.push(format!("{}: {error}", self.path.name()));
                done.state = Some(State::Damaged);
            }
        }
    }

    /// Offers a copy to the target. No state where the target failed.
    fn put(&self, metadata: Metadata, content: Content, place: &str, done: &mut Done) {
        let mut problems = Problems::default();
        let state = self.version.state(metadata, content.len, &mut problems);
        done.problems.extend(problems.shown().iter().cloned());
        let (path, policy) = (self.path.clone(), self.version.policy);
        let object = Object { path, state, policy, is_folder_too: self.is_folder_too };
        if object.has_expired(self.options.now) && !self.options.include_expired {
            done.state = Some(State::Expired);
            return;
        }
        let (bytes, is_encrypted) = (content.len, object.is_encrypted());
        let taken = match self.target {
            None => Ok(Taken::Stored),
            Some(target) => target.put(&object, content),
        };
        match taken {
            Ok(Taken::Stored) => {
                (done.state, done.bytes, done.is_encrypted) = (Some(State::Recovered), bytes, is_encrypted);
            }
            Ok(Taken::Present) => done.state = Some(State::Present),
            Ok(Taken::Expired) => done.state = Some(State::Expired),
            Ok(Taken::Later) if self.is_second_pass => done
                .problems
                .push(format!("{}: a manifest whose segments are not all there", self.path.name())),
            Ok(Taken::Later) => done.state = Some(State::Later),
            Err(PutError::Damaged(why)) => {
                done.problems.push(format!("{place}: {why}"));
                done.state = Some(State::Damaged);
            }
            Err(PutError::Target(why)) => {
                done.problems.push(format!("{}: {why}", self.path.name()));
                done.state = None;
            }
        }
    }
}
