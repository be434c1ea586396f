//! Bad input on real sockets: what no client should send, and clients that stall or go away, against a whole cluster in
//! this process. The answers are Swift's but where a message could be read in two ways (`tests/wire/known.json`), no
//! answer is a 500, and nothing is half-stored.

mod archives;
mod cluster;
mod framing;
mod leaving;
mod manifests;
mod memory;
