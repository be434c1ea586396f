//! What the tests of this crate share: the real Python Swift as the other side.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs a Python program of `SWIFT_VENV` with `input` on its standard input and gives its output.
pub(crate) fn python(program: &str, arguments: &[&str], input: &str) -> String {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv");
    let python = std::env::var_os("SWIFT_VENV").map_or(default, PathBuf::from).join("bin/python");
    let mut child = Command::new(&python)
        .arg("-c")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("needs Python Swift: set SWIFT_VENV (no {}: {e})", python.display()));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("python runs");
    writer.join().expect("writer ends").expect("python reads its input");
    assert!(output.status.success(), "python failed");
    String::from_utf8(output.stdout).expect("the answer is text")
}
