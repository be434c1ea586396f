//! The cluster that all tests of this program share, and raw requests to it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use swiftlet::dev::{DevCluster, DevOptions};

/// What the proxies take for a client that sends nothing any more.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(1);
/// No answer takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a user of the cluster begins paths with.
pub const A: &str = "/v1/AUTH_test";

/// A running cluster.
pub struct Cluster {
    address: SocketAddr,
    token: String,
    folder: tempfile::TempDir,
}

/// The cluster; it ends with the process.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
    &CLUSTER
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find_map(|(n, value)| n.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the cluster");
        let manifests = vec![impatient_manifest(folder.path())];
        let listen = "127.0.0.1:0".parse().expect("an address");
        let options = DevOptions { manifests, data: folder.path().join("data"), listen };
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let cluster = DevCluster::start(&options).await.expect("the cluster starts");
                tell.send(cluster.address()).expect("the tests wait");
                std::future::pending::<()>().await;
            });
        });
        Self::at(told.recv().expect("the cluster starts"), folder)
    }

    /// A cluster of `swiftlet dev` in a process of its own, which ends with it.
    pub fn in_own_process() -> (Self, Process) {
        let folder = tempfile::tempdir().expect("a folder for the cluster");
        let manifest = impatient_manifest(folder.path());
        let said = folder.path().join("said");
        let mut command = Command::new(env!("CARGO_BIN_EXE_swiftlet"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--manifest"]).arg(manifest);
        command.arg("--data").arg(folder.path().join("data")).stderr(Stdio::null());
        command.stdout(std::fs::File::create(&said).expect("a file for what it says"));
        let process = Process(command.spawn().expect("swiftlet runs"));
        (Self::at(ready_at(&said), folder), process)
    }

    fn at(address: SocketAddr, folder: tempfile::TempDir) -> Self {
        let mut cluster = Self { address, token: String::new(), folder };
        let asked = b"GET /auth/v1.0 HTTP/1.1\r\nX-Auth-User: test:tester\r\nX-Auth-Key: testing\r\n\r\n";
        let answer = cluster.send(asked);
        cluster.token = answer.header("X-Auth-Token").expect("a token").to_owned();
        cluster
    }

    /// A connection on which reading ends some time.
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the proxy listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket
    }

    /// The head of a request of the owner, with these lines.
    pub fn head(&self, method: &str, path: &str, lines: &[&str]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\n", self.token);
        lines.iter().for_each(|line| head.extend([*line, "\r\n"]));
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The answer to `request`, byte for byte.
    pub fn send(&self, request: &[u8]) -> Answer {
        let mut socket = self.connect();
        // it may answer and close before it has seen all
        let _ = socket.write_all(request);
        read_answer(&mut socket).expect("an answer")
    }

    /// The answer to a well-formed request of the owner.
    pub fn ask(&self, method: &str, path: &str, lines: &[&str], body: &[u8]) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let lines = [lines, &[length.as_str()]].concat();
        self.send(&[self.head(method, path, &lines), body.to_vec()].concat())
    }

    /// Makes a container.
    pub fn container(&self, name: &str) -> String {
        let path = format!("{A}/{name}");
        let status = self.ask("PUT", &path, &[], b"").status;
        assert!(matches!(status, 201 | 202), "{name}: {status}");
        path
    }

    /// Sends only the beginning of a message and goes away.
    pub fn leave(&self, beginning: &[u8]) {
        let mut socket = self.connect();
        socket.write_all(beginning).expect("the proxy takes what is sent");
        // Let it come to where it stores.
        std::thread::sleep(Duration::from_millis(100));
        // or it has refused it, and gone first
        let _ = socket.shutdown(Shutdown::Both);
    }

    /// The names in a container.
    pub fn names_in(&self, container: &str) -> Vec<String> {
        let answer = self.ask("GET", container, &[], b"");
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        answer.text().lines().map(str::to_owned).collect()
    }

    /// Waits until no device has a file that is being written.
    pub fn assert_nothing_half_written(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = half_written(self.folder.path());
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left behind: {left:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A manifest in `folder` of a cluster that waits for clients but [`CLIENT_TIMEOUT`].
fn impatient_manifest(folder: &Path) -> PathBuf {
    let proxies = "    proxy-server.conf:\n";
    let text = include_str!("../../../deploy/examples/dev.yaml");
    assert!(text.contains(proxies), "the example configures its proxies");
    let timeout = format!("{proxies}      DEFAULT: {{client_timeout: \"{}\"}}\n", CLIENT_TIMEOUT.as_secs());
    let manifest = folder.join("cluster.yaml");
    std::fs::write(&manifest, text.replace(proxies, &timeout)).expect("the manifest is written");
    manifest
}

/// The address in the line that says that a cluster is ready.
fn ready_at(said: &Path) -> SocketAddr {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let text = std::fs::read_to_string(said).expect("a file that is there");
        let url = text.lines().find_map(|line| line.strip_prefix("ready http://"));
        if let Some((address, _)) = url.and_then(|url| url.split_once('/')) {
            return address.parse().expect("an address");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the cluster does not get ready");
}

/// A program that ends where this goes.
pub struct Process(Child);

impl Process {
    /// Forgets how much memory it has had.
    pub fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.0.id());
        std::fs::write(path, "5").expect("one may ask that of one's own programs");
    }

    /// The most memory it has had in bytes since it was made to forget.
    pub fn peak_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of it");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the final answer; `None` where the connection ends without one.
pub fn read_answer(socket: &mut TcpStream) -> Option<Answer> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16384]);
    loop {
        while let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
            if status == 100 {
                bytes.drain(..end);
                continue;
            }
            let mut answer = Answer { status, head, body: bytes.split_off(end) };
            read_body(socket, &mut answer);
            return Some(answer);
        }
        match socket.read(&mut buffer) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

fn read_body(socket: &mut TcpStream, answer: &mut Answer) {
    let length: Option<usize> =
        answer.header("Content-Length").map(|length| length.parse().expect("a length"));
    let is_chunked = answer.header("Transfer-Encoding").is_some();
    let mut buffer = [0; 16384];
    while answer.status != 204 {
        let is_whole = match length {
            Some(length) => answer.body.len() >= length,
            None => is_chunked && answer.body.ends_with(b"0\r\n\r\n"),
        };
        match socket.read(&mut buffer) {
            _ if is_whole => break,
            Ok(n) if n > 0 => answer.body.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
}

/// What lies in the devices' folders for files that are being written.
fn half_written(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let is_tmp = path.file_name().is_some_and(|name| name == "tmp" || name == "tmp-1");
        match is_tmp {
            true => found.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path())),
            false => found.extend(half_written(&path)),
        }
    }
    found
}
