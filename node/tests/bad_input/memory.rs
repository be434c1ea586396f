//! What the servers hold in memory while clients send more than they should: a process of its own is measured.

use super::archives::{bomb, gzip};
use super::cluster::{Cluster, Process, read_answer};
use std::io::Write;
use std::net::TcpStream;

const MIB: usize = 1 << 20;
const CLIENTS: usize = 200;

/// Sends `bytes` on each of many connections before any answer is read, and gives the statuses; 0 where there is none.
fn at_once(cluster: &Cluster, bytes: &[u8]) -> Vec<u16> {
    let begin = |_| {
        let mut socket = cluster.connect();
        // it may refuse and close before it has seen all
        let _ = socket.write_all(bytes);
        socket
    };
    let mut sockets: Vec<TcpStream> = (0..CLIENTS).map(begin).collect();
    sockets.iter_mut().map(|socket| read_answer(socket).map_or(0, |answer| answer.status)).collect()
}

/// Does `work` and gives how many bytes the process grew by, at most.
fn growth(process: &Process, work: impl FnOnce()) -> usize {
    process.forget_peak();
    let before = process.peak_bytes();
    work();
    process.peak_bytes().saturating_sub(before)
}

#[test]
fn memory_is_bounded_whatever_clients_send() {
    let (cluster, process) = Cluster::in_own_process();
    let container = cluster.container("memory");
    let path = format!("{container}/o");
    // all that is loaded and pooled once
    assert_eq!(cluster.ask("PUT", &path, &[], &vec![b'x'; MIB]).status, 201);
    at_once(&cluster, &cluster.head("GET", &path, &[]));

    let endless = [b"GET / HTTP/1.1\r\n".as_slice(), &b"X-Flood: flood\r\n".repeat(100_000)].concat();
    let grown = growth(&process, || {
        let statuses = at_once(&cluster, &endless);
        assert!(statuses.iter().all(|status| matches!(status, 400 | 431 | 0)), "{statuses:?}");
    });
    assert!(grown < CLIENTS * MIB / 4, "{grown} bytes more for heads without an end");

    let half_a_head = format!("GET {path} HTTP/1.1\r\nX-Slow: {}", "s".repeat(8000));
    let grown = growth(&process, || {
        let statuses = at_once(&cluster, half_a_head.as_bytes());
        assert!(statuses.iter().all(|status| *status == 0), "{statuses:?}");
    });
    assert!(grown < CLIENTS * MIB / 4, "{grown} bytes more for heads that stall");

    let half_a_body =
        [cluster.head("PUT", &path, &["Content-Length: 5368709120"]), vec![b'x'; 64 << 10]].concat();
    let grown = growth(&process, || {
        let statuses = at_once(&cluster, &half_a_body);
        assert!(statuses.iter().all(|status| *status == 408), "{statuses:?}");
    });
    // the client's 64 KiB, and what three storage servers do with them
    assert!(grown < CLIENTS * MIB, "{grown} bytes more for bodies that stall");
    assert_eq!(cluster.ask("GET", &path, &[], b"").body.len(), MIB);

    let packed = gzip(&bomb(200 * MIB));
    let grown = growth(&process, || {
        let target = format!("{container}?extract-archive=tar.gz");
        let answer = cluster.ask("PUT", &target, &["Accept: application/json"], &packed);
        assert!(answer.text().contains("412 Precondition Failed"), "{answer:?}");
    });
    assert!(grown < 50 * MIB, "{grown} bytes more for a bomb");
    assert_eq!(cluster.names_in(&container), ["after", "o"]);
    cluster.assert_nothing_half_written();
}
