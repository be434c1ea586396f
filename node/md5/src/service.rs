//! The thread that hashes large messages, several at once. It starts with the first one.

use super::lanes::{self, LANES};
use super::message::Message;
use super::steps::{BLOCK_LEN, Chain};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::LazyLock;

/// Messages that may wait. Whoever comes when so many do hashes some of them himself: that bounds the bytes that
/// wait in memory, and brings more cores to the work when one is not enough.
const MAX_WAITING: usize = 16;
/// How much of each message is hashed before others are let in, in bytes.
const TURN_LEN: usize = 64 << 10;

/// What is done with a message whose bytes have been hashed.
pub(super) type Then = Box<dyn FnOnce(Message) + Send>;

struct Service {
    waiting: Mutex<VecDeque<Job>>,
    arrived: Condvar,
    /// Whether there is a thread; where the system gave none, everybody hashes for himself.
    has_thread: bool,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let thread = std::thread::Builder::new().name("md5".into()).spawn(|| SERVICE.work());
    Service { waiting: Mutex::default(), arrived: Condvar::new(), has_thread: thread.is_ok() }
});

/// Appends `chunks` to `message` and then calls `then`, soon and most likely on another thread.
pub(super) fn hash(message: Message, chunks: Vec<Bytes>, then: Then) {
    SERVICE.submit(Job { message, chunks: chunks.into(), at: 0, then });
}

impl Service {
    fn submit(&self, job: Job) {
        let mut waiting = self.waiting.lock();
        waiting.push_back(job);
        if self.has_thread && waiting.len() <= MAX_WAITING {
            self.arrived.notify_one();
            return;
        }
        let mut some = take(&mut waiting, LANES);
        drop(waiting);
        while !some.is_empty() {
            take_turn(&mut some);
        }
    }

    fn work(&self) {
        let mut running = Vec::with_capacity(LANES);
        loop {
            let mut waiting = self.waiting.lock();
            while running.is_empty() && waiting.is_empty() {
                self.arrived.wait(&mut waiting);
            }
            running.extend(take(&mut waiting, LANES - running.len()));
            drop(waiting);
            take_turn(&mut running);
        }
    }
}

fn take(waiting: &mut VecDeque<Job>, count: usize) -> Vec<Job> {
    let count = count.min(waiting.len());
    waiting.drain(..count).collect()
}

/// Hashes a little of each of the jobs, as much as all of them have, and ends those that are done.
fn take_turn(jobs: &mut Vec<Job>) {
    for job in jobs.extract_if(.., |job| !job.find_blocks()) {
        (job.then)(job.message);
    }
    if jobs.is_empty() {
        return;
    }
    let (mut chains, blocks): (Vec<_>, Vec<_>) = jobs.iter_mut().map(Job::chain_and_blocks).unzip();
    let hashed = lanes::compress(&mut chains, &blocks);
    for job in jobs {
        job.message.skip(hashed);
        job.at += hashed;
    }
}

/// A message that grows by some chunks.
struct Job {
    message: Message,
    chunks: VecDeque<Bytes>,
    /// How much of the first chunk is hashed.
    at: usize,
    then: Then,
}

impl Job {
    /// Goes on to where whole blocks lie ahead, hashing what does not fill one; whether there are any more.
    fn find_blocks(&mut self) -> bool {
        while let Some(chunk) = self.chunks.front() {
            let ahead = &chunk[self.at..];
            let rest = self.message.align(ahead);
            self.at += ahead.len() - rest.len();
            if rest.len() >= BLOCK_LEN {
                return true;
            }
            if rest.is_empty() {
                self.chunks.pop_front();
                self.at = 0;
            }
        }
        false
    }

    fn chain_and_blocks(&mut self) -> (&mut Chain, &[u8]) {
        let ahead = self.chunks.front().map_or(&[][..], |chunk| &chunk[self.at..]);
        (&mut self.message.chain, &ahead[..ahead.len().min(TURN_LEN)])
    }
}
