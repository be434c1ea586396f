//! MD5 of objects' bytes, which Swift checks on every read and computes on every write: the dearest part of a large
//! request.
//!
//! One message can only be hashed block after block, but several can be hashed side by side in the lanes of wide
//! registers, four times as fast. So small pieces are hashed where they are, and large ones by one thread of the
//! process that takes up to eight messages at once (`service`), while their bytes go on their way.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod lanes;
mod message;
mod service;
mod steps;

use bytes::Bytes;
pub use message::Digest;

use message::Message;
use std::sync::mpsc::{Receiver, sync_channel};

/// Up to so many bytes are best hashed where they are: handing them over would take as long.
pub const INLINE_LEN: usize = 64 << 10;

/// The MD5 of a stream of bytes, of which at most one piece is being hashed in the background.
#[derive(Debug)]
pub struct Md5 {
    state: State,
}

#[derive(Debug)]
enum State {
    Here(Message),
    /// With the service, which sends it back.
    Away(Receiver<Message>),
}

impl Default for Md5 {
    /// That of no bytes.
    fn default() -> Self {
        Self { state: State::Here(Message::default()) }
    }
}

impl Md5 {
    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.here().update(bytes);
    }

    /// Appends `chunks`, in the background where they are many bytes. Waits until what was appended before is done,
    /// so that no more than this is ever kept in memory for it.
    pub fn update_behind(&mut self, chunks: Vec<Bytes>) {
        let message = self.here();
        if chunks.iter().map(Bytes::len).sum::<usize>() <= INLINE_LEN {
            chunks.iter().for_each(|chunk| message.update(chunk));
            return;
        }
        let (done, back) = sync_channel(1);
        let message = std::mem::take(message);
        self.state = State::Away(back);
        // whoever dropped the other end no longer wants to know
        service::hash(message, chunks, Box::new(move |message| drop(done.send(message))));
    }

    /// The MD5 of all that was appended; waits for it.
    pub fn digest(&mut self) -> Digest {
        self.here().clone().finish()
    }

    /// Appends `last` in the background, and has `then` called with the MD5, by a thread that must not be kept waiting.
    pub fn finish_behind(mut self, last: Bytes, then: impl FnOnce(Digest) + Send + 'static) {
        let message = std::mem::take(self.here());
        service::hash(message, vec![last], Box::new(move |message| then(message.finish())));
    }

    fn here(&mut self) -> &mut Message {
        if let State::Away(back) = &self.state {
            let message = back.recv().expect("the service answers every message");
            self.state = State::Here(message);
        }
        match &mut self.state {
            State::Here(message) => message,
            State::Away(_) => unreachable!("it was fetched above"),
        }
    }
}

#[cfg(test)]
mod tests;
