//! What the tests of several packages share: the real Python Swift as the other side, certificates. Only ever a
//! dev-dependency.
//!
//! `SWIFT_VENV` names a virtualenv with swift 2.38.3, by default `target/venv` below the workspace; `tests/setup`
//! installs it. A test that needs it fails where it is missing, and says so.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes ports by itself, for connections and for listeners that name none.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port of 127.0.0.1 that nothing listens on, for a program that is told its port, or to find nobody there. Each
/// call gives another, and no connection and no listener on port 0 takes it meanwhile.
pub fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let many = u32::from(PORTS.end - PORTS.start);
    let of_this_process = std::process::id().wrapping_mul(97) % many;
    loop {
        let call = u32::from(CALLS.fetch_add(1, Ordering::Relaxed));
        let offset = (of_this_process + call) % many;
        let port = PORTS.start + u16::try_from(offset).expect("the range is one of ports");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The Python of `SWIFT_VENV`.
pub fn python() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv");
    let venv = std::env::var_os("SWIFT_VENV").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "no Python Swift in {}: set SWIFT_VENV, or let tests/setup/swift.sh install it",
        venv.display()
    );
    python
}

/// Runs `program`, a text of Python, with `input` on its standard input; what it prints. Its errors are the test's.
pub fn run_python(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(python())
        .args(["-c", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    // Beside the reading below: each side may wait for the other otherwise.
    let writer = std::thread::spawn(move || match stdin.write_all(input.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        // A program that wants no more of its input is no error.
        _ => Ok(()),
    });
    let output = child.wait_with_output().expect("python runs");
    writer.join().expect("writer ends").expect("python reads its input");
    assert!(output.status.success(), "the Python side failed");
    String::from_utf8(output.stdout).expect("what it prints is text")
}

/// A certificate of its own authority for `localhost` and 127.0.0.1, and its key: `<name>.crt` and `<name>.key` in `dir`.
pub fn self_signed(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (cert, key) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        // Else clients would take it for an authority's, which no server may show.
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("the openssl command is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}
