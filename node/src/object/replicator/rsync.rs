//! The program rsync, which copies suffixes to the rsync daemon of another node.

use super::config::RsyncConfig;
use super::plan::Job;
use super::push::PushError;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::object::DirKind;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How much of what it prints is kept, of each of its two streams. The rest is thrown away.
const MAX_OUTPUT: u64 = 1 << 20;
/// How long a killed one may take to end before it is left to itself.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

/// Runs rsync.
#[derive(Debug, Clone)]
pub(super) struct Rsync(pub RsyncConfig);

impl Rsync {
    /// Copies these suffixes of a partition to `node`; those that are not there are passed over.
    pub async fn push(&self, job: &Job, node: &Device, suffixes: &[String]) -> Result<(), PushError> {
        let partition =
            job.own.dir.join(DirKind::Objects.name(job.policy.index)).join(job.partition.to_string());
        let sources = suffixes.iter().map(|suffix| partition.join(suffix));
        let sources: Vec<String> =
            sources.filter(|dir| dir.exists()).map(|dir| dir.display().to_string()).collect();
        if sources.is_empty() {
            return Err(PushError::NothingThere);
        }
        let target = format!(
            "{}/{}/{}/{}",
            self.0.module.of(node),
            node.device,
            DirKind::Objects.name(job.policy.index),
            job.partition
        );
        let mut arguments = self.options(job.own.device.region != node.region);
        arguments.extend(sources);
        arguments.push(target);
        self.run(&arguments, &partition).await
    }

    fn options(&self, is_other_region: bool) -> Vec<String> {
        let RsyncConfig { io_timeout, bwlimit, compress, .. } = &self.0;
        let mut options: Vec<String> = [
            "--recursive",
            "--whole-file",
            "--human-readable",
            "--xattrs",
            "--itemize-changes",
            "--ignore-existing",
        ]
        .map(str::to_owned)
        .into();
        options.push(format!("--timeout={io_timeout}"));
        options.push(format!("--contimeout={io_timeout}"));
        options.push(format!("--bwlimit={bwlimit}"));
        // its own unfinished files
        options.push(format!("--exclude=.*.{}", "[0-9a-zA-Z]".repeat(6)));
        if *compress && is_other_region {
            options.push("--compress".to_owned());
        }
        options
    }

    async fn run(&self, arguments: &[String], source: &Path) -> Result<(), PushError> {
        let begun = Instant::now();
        let mut command = Command::new("rsync");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(PushError::NoRsync)?;
        let output = (child.stdout.take(), child.stderr.take());
        let ended = timeout(self.0.timeout, async {
            let printed = tokio::join!(read(output.0), read(output.1));
            (printed, child.wait().await)
        });
        let Ok(((out, err), status)) = ended.await else {
            return Err(self.kill(child, arguments).await);
        };
        let code = status.map_err(PushError::NoRsync)?.code().unwrap_or(-1);
        let text = out + &err;
        self.log(&text, code);
        let target = arguments.last().map(String::as_str).unwrap_or_default();
        if code != 0 {
            tracing::error!("{}", self.cut(format!("Bad rsync return code: {code} <- {arguments:?}")));
            return Err(PushError::RsyncFailed { code });
        }
        let took = begun.elapsed().as_secs_f64();
        let line = format!("Successful rsync of {}... to {target} ({took:.03})", source.display());
        if text.is_empty() {
            tracing::debug!("{line}")
        } else {
            tracing::info!("{line}")
        }
        Ok(())
    }

    /// What it printed: errors where it failed, else what it did.
    fn log(&self, text: &str, code: i32) {
        let is_told = |line: &&str| {
            !line.is_empty() && !line.starts_with("cd+") && (!line.starts_with('<') || self.0.log_transfers)
        };
        for line in text.lines().filter(is_told) {
            if code == 0 { tracing::debug!("{line}") } else { tracing::error!("{line}") }
        }
    }

    async fn kill(&self, mut child: Child, arguments: &[String]) -> PushError {
        let seconds = self.0.timeout.as_secs();
        let line = format!("Killing long-running rsync after {seconds}s: {arguments:?}");
        tracing::error!("{}", self.cut(line));
        // It may be waiting for a disk that does not answer: it ends when that does.
        let _ = timeout(KILL_PATIENCE, child.kill()).await;
        PushError::RsyncTimeout { seconds }
    }

    fn cut(&self, line: String) -> String {
        match self.0.error_log_line_length {
            0 => line,
            length => line.chars().take(length).collect(),
        }
    }
}

/// What a stream says, as far as it is kept.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(stream) = stream else { return String::new() };
    let (mut kept, mut stream) = (Vec::new(), stream.take(MAX_OUTPUT));
    // What cannot be read says nothing; how rsync ends does.
    let _ = stream.read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream.into_inner(), &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::replicator::ReplicatorConfig;
    use swiftlet_types::conf::Options;

    fn rsync(options: &[(&str, &str)]) -> Rsync {
        let options =
            options.iter().fold(Options::new("f", "object-replicator"), |all, (o, v)| all.with(o, v));
        Rsync(ReplicatorConfig::from_options(&options).unwrap().rsync)
    }

    #[test]
    fn options_are_swifts() {
        let own = rsync(&[("rsync_bwlimit", "5"), ("rsync_compress", "yes"), ("rsync_io_timeout", "7")]);
        let expected = "--recursive --whole-file --human-readable --xattrs --itemize-changes --ignore-existing \
                        --timeout=7 --contimeout=7 --bwlimit=5 --exclude=.*.[0-9a-zA-Z][0-9a-zA-Z][0-9a-zA-Z]\
                        [0-9a-zA-Z][0-9a-zA-Z][0-9a-zA-Z]";
        assert_eq!(own.options(false).join(" "), expected);
        assert_eq!(own.options(true).last().unwrap(), "--compress");
    }

    #[tokio::test]
    async fn its_end_is_told() {
        let none = Path::new("");
        let failed = rsync(&[]).run(&["--no-such-option".to_owned()], none).await.unwrap_err();
        assert!(matches!(failed, PushError::RsyncFailed { code: 1 }), "{failed}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        rsync(&[]).run(&["--itemize-changes".to_owned(), path("a"), path("b")], none).await.unwrap();
        assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"x");
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let source = format!("rsync://{}/m", silent.local_addr().unwrap());
        let timed_out = rsync(&[("rsync_timeout", "1")]).run(&[source], Path::new("")).await.unwrap_err();
        assert!(matches!(timed_out, PushError::RsyncTimeout { seconds: 1 }), "{timed_out}");
    }
}
