//! Errors of devices in the kernel's log, the newest first, back to a time or to the last boot.

use super::local_time;
use jiff::ToSpan;
use jiff::civil::DateTime;
use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const BLOCK_LEN: usize = 64 << 10;
/// What of a line is looked at: no line of a kernel is longer, and a file that is no log may have none at all.
const MAX_LINE_LEN: usize = 1 << 20;
/// Lines that only a kernel that starts writes.
const BOOT_MARKS: [&str; 3] = ["[    0.000000]", "KERNEL supported cpus:", "BIOS-provided physical RAM map:"];

/// How often each device is named in lines that one of `patterns` matches and that are newer than `minutes`.
pub(super) fn errors(
    files: &[PathBuf],
    patterns: &[Regex],
    minutes: i64,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let now = local_time(SystemTime::now())?;
    let mut reader = Reader {
        patterns,
        since: now.checked_sub(minutes.minutes())?,
        clock: Clock::at(now),
        errors: BTreeMap::new(),
    };
    for path in newest_first(files)? {
        let file = File::open(&path).map_err(|error| {
            anyhow::Error::new(error).context(format!("Unable to open {}", path.display()))
        })?;
        if !reader.read(&file)? {
            break;
        }
    }
    Ok(reader.errors)
}

fn newest_first(files: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let changed = |path: &PathBuf| Ok((std::fs::metadata(path)?.modified()?, path.clone()));
    let mut dated = files.iter().map(changed).collect::<io::Result<Vec<_>>>()?;
    dated.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(dated.into_iter().map(|(_, path)| path).collect())
}

struct Reader<'a> {
    patterns: &'a [Regex],
    since: DateTime,
    clock: Clock,
    errors: BTreeMap<String, u64>,
}

impl Reader<'_> {
    /// Reads a file from its end; whether older ones may matter too.
    fn read(&mut self, file: &File) -> io::Result<bool> {
        let mut lines = BackwardLines::of(file)?;
        while let Some(line) = lines.next_line()? {
            let text = String::from_utf8_lossy(&line);
            if BOOT_MARKS.iter().any(|mark| text.contains(mark)) {
                return Ok(false);
            }
            match self.clock.read(&text) {
                Some(time) if time <= self.since => return Ok(false),
                Some(_) => self.count(&line),
                None => {}
            }
        }
        Ok(true)
    }

    fn count(&mut self, line: &[u8]) {
        for found in self.patterns.iter().flat_map(|pattern| pattern.captures_iter(line)) {
            // The device is the pattern's group, or all of it where it has none.
            let Some(device) = found.get(1).or_else(|| found.get(0)) else { continue };
            *self.errors.entry(String::from_utf8_lossy(device.as_bytes()).into_owned()).or_default() += 1;
        }
    }
}

/// Reads times in lines from the newest to the oldest. Lines like `Nov  2 13:14:15 …` do not tell the year, and may have
/// been written in the last one.
struct Clock {
    year: i16,
    last_month: String,
}

impl Clock {
    fn at(now: DateTime) -> Self {
        Self { year: now.year(), last_month: now.strftime("%b").to_string() }
    }

    fn read(&mut self, line: &str) -> Option<DateTime> {
        let mut words = line.split_whitespace();
        let (month, day, time) =
            (words.next()?, words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if month == "Dec" && self.last_month == "Jan" {
            self.year -= 1;
        }
        self.last_month = month.to_owned();
        let told = format!("{} {month} {day} {time}", self.year);
        let without_year = DateTime::strptime("%Y %b %d %H:%M:%S", told);
        let time = without_year
            .or_else(|_| DateTime::strptime("%Y-%m-%dT%H:%M:%S", line.get(..19).unwrap_or_default()));
        time.ok()
    }
}

/// The lines of a file, the last first.
struct BackwardLines<'a> {
    file: &'a File,
    /// What is not yet read ends here.
    offset: u64,
    /// What is read, and not yet given.
    text: Vec<u8>,
}

impl<'a> BackwardLines<'a> {
    fn of(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, offset: file.metadata()?.len(), text: Vec::new() })
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = memchr::memrchr(b'\n', &self.text) {
                let line = self.text.split_off(at + 1);
                self.text.truncate(at);
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.offset == 0 {
                return Ok(Some(std::mem::take(&mut self.text)).filter(|line| !line.is_empty()));
            }
            self.read_block()?;
        }
    }

    fn read_block(&mut self) -> io::Result<()> {
        let len = BLOCK_LEN.min(usize::try_from(self.offset).unwrap_or(BLOCK_LEN));
        let mut block = vec![0; len];
        self.offset -= len as u64;
        self.file.read_exact_at(&mut block, self.offset)?;
        block.append(&mut self.text);
        block.truncate(MAX_LINE_LEN);
        self.text = block;
        Ok(())
    }
}

/// The files that a pattern of a shell's names.
pub(super) fn files_named(pattern: &str) -> anyhow::Result<Vec<PathBuf>> {
    Ok(glob::glob(pattern)?.flatten().filter(|path: &PathBuf| Path::is_file(path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use swiftlet_testing::run_python;

    #[test]
    fn lines_come_backwards_whatever_their_length() {
        let mut file = tempfile::tempfile().unwrap();
        let long = "x".repeat(3 * BLOCK_LEN);
        write!(file, "first\n\n{long}\nlast\n").unwrap();
        let mut lines = BackwardLines::of(&file).unwrap();
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            read.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(read, ["last", &long, "first"]);
        assert_eq!(BackwardLines::of(&tempfile::tempfile().unwrap()).unwrap().next_line().unwrap(), None);
    }

    #[test]
    fn a_year_is_told_by_the_months() {
        let mut clock = Clock::at(jiff::civil::datetime(2026, 1, 2, 3, 4, 5, 0));
        let read = |clock: &mut Clock, line: &str| clock.read(line).map(|time| time.to_string());
        assert_eq!(read(&mut clock, "Jan  1 00:00:09 x").as_deref(), Some("2026-01-01T00:00:09"));
        assert_eq!(read(&mut clock, "Dec 31 23:59:59 x").as_deref(), Some("2025-12-31T23:59:59"));
        assert_eq!(read(&mut clock, "Nov 30 23:59:59 x").as_deref(), Some("2025-11-30T23:59:59"));
        let iso = "2026-01-02T03:04:05.678+00:00 host kernel: x";
        assert_eq!(read(&mut clock, iso).as_deref(), Some("2026-01-02T03:04:05"));
        for line in ["", "x", "kernel: no time", "2026-01"] {
            assert_eq!(read(&mut clock, line), None);
        }
    }

    /// What Python's tool finds in the same files.
    const PYTHON: &str = "import json, logging, re, sys
from swift.cli.drive_audit import get_errors
patterns = [re.compile(p) for p in sys.argv[3:]]
print(json.dumps(get_errors(patterns, sys.argv[1], int(sys.argv[2]), logging, 'utf-8'), sort_keys=True))";

    #[test]
    fn python_finds_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let now = local_time(SystemTime::now()).unwrap();
        let ago = |minutes: i64| now.checked_sub(minutes.minutes()).unwrap();
        let line = |minutes, text: &str| {
            format!("{} host kernel: {text}\n", ago(minutes).strftime("%b %e %H:%M:%S"))
        };
        let iso = |minutes, text: &str| {
            format!("{}.5 host kernel: {text}\n", ago(minutes).strftime("%Y-%m-%dT%H:%M:%S"))
        };
        let older =
            line(50, "sdd: I/O error") + &line(41, "sdd: I/O error twice, error") + "no time: error on sdd\n";
        let newer = line(40, "sda1: boot")
            + &line(30, "error on sdb")
            + &iso(20, "sdc and error")
            + "\n"
            + &line(10, "sdb: error");
        let booted = line(45, "sde error") + &line(44, "[    0.000000] Linux") + &line(43, "sdf error");
        for (at, texts) in
            [[older.clone(), newer.clone()], [booted.clone(), newer], [older, booted]].into_iter().enumerate()
        {
            let dir = dir.path().join(at.to_string());
            std::fs::create_dir(&dir).unwrap();
            for (age_s, text) in [60, 0].into_iter().zip(&texts) {
                let file = File::create(dir.join(format!("kern.{age_s}"))).unwrap();
                (&file).write_all(text.as_bytes()).unwrap();
                file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age_s)).unwrap();
            }
            let pattern = dir.join("kern.*").display().to_string();
            for minutes in [5, 35, 60] {
                let ours =
                    errors(&files_named(&pattern).unwrap(), &super::super::default_patterns(), minutes)
                        .unwrap();
                let minutes = minutes.to_string();
                let arguments = [&[&*pattern, &minutes][..], &super::super::DEFAULT_PATTERNS].concat();
                let python = run_python(PYTHON, &arguments, "");
                assert_eq!(
                    serde_json::to_value(ours).unwrap(),
                    serde_json::from_str::<serde_json::Value>(&python).unwrap()
                );
            }
        }
    }
}
