//! Idle connections, by address.

use crate::http::wire::reader::Reader;
use crate::http::wire::writer::Writer;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Connections that wait for a request.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    max_per_address: usize,
    idle_timeout: Duration,
}

struct Idle {
    /// Host to port to connections, the last used one at the back.
    by_host: HashMap<Box<str>, Vec<(u16, VecDeque<IdleConnection>)>>,
    next_sweep: Instant,
}

struct IdleConnection {
    reader: Reader,
    writer: Writer,
    since: Instant,
}

impl Pool {
    pub(super) fn new(max_per_address: usize, idle_timeout: Duration) -> Self {
        let idle = Idle { by_host: HashMap::new(), next_sweep: Instant::now() };
        Self { idle: Mutex::new(idle), max_per_address, idle_timeout }
    }

    /// A connection to this address that is, as far as can be told, still open at the other end.
    pub(super) fn take(&self, host: &str, port: u16) -> Option<(Reader, Writer)> {
        let mut idle = self.idle.lock();
        let queue = idle.queue(host, port)?;
        while let Some(IdleConnection { mut reader, writer, since }) = queue.pop_back() {
            if since.elapsed() >= self.idle_timeout {
                // Those further back are older still.
                queue.clear();
            } else if reader.is_quiet() {
                return Some((reader, writer));
            }
        }
        None
    }

    /// Keeps a connection for later, or closes it when there are enough.
    pub(super) fn put(&self, host: &str, port: u16, reader: Reader, writer: Writer) {
        let now = Instant::now();
        let mut idle = self.idle.lock();
        if idle.next_sweep <= now {
            idle.sweep(now, self.idle_timeout);
        }
        if idle.queue(host, port).is_none() {
            idle.by_host.entry(host.into()).or_default().push((port, VecDeque::new()));
        }
        if let Some(queue) = idle.queue(host, port)
            && queue.len() < self.max_per_address
        {
            queue.push_back(IdleConnection { reader, writer, since: now });
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.idle.lock().by_host.values().flatten().map(|(_, queue)| queue.len()).sum()
    }
}

impl Idle {
    fn queue(&mut self, host: &str, port: u16) -> Option<&mut VecDeque<IdleConnection>> {
        self.by_host.get_mut(host)?.iter_mut().find(|(p, _)| *p == port).map(|(_, queue)| queue)
    }

    /// Closes what has been idle for too long, and forgets addresses without connections.
    fn sweep(&mut self, now: Instant, idle_timeout: Duration) {
        self.next_sweep = now + idle_timeout;
        self.by_host.retain(|_, ports| {
            ports.retain_mut(|(_, queue)| {
                queue.retain(|connection| now.duration_since(connection.since) < idle_timeout);
                !queue.is_empty()
            });
            !ports.is_empty()
        });
    }
}
