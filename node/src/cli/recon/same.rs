//! Whether all servers agree: rings, swift.conf, clocks, versions, and that each is what it should be.

use super::{Recon, shown_time};
use crate::serve::recon::checksum;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

impl<W: Write> Recon<'_, W> {
    pub(super) async fn ring_checksums(&mut self) -> anyhow::Result<()> {
        let server = self.server.name();
        let own = own_rings(Path::new(&self.options.swift_dir), server)?;
        self.begin("Checking ring md5sums")?;
        if self.options.has("verbose") {
            for (name, sum) in &own {
                writeln!(self.out, "-> On disk {name} md5sum: {sum}")?;
            }
        }
        let heard = self.scout.ask("ringmd5").await;
        let mut matched = 0;
        for heard in &heard {
            let mut differs = false;
            for (path, sum) in heard.answer.as_object().into_iter().flatten() {
                let name = path.rsplit('/').next().unwrap_or(path);
                let sum = sum.as_str().unwrap_or("None");
                if name.starts_with(server) && own.get(name).map(String::as_str) != Some(sum) {
                    differs = true;
                    let url = &heard.url;
                    writeln!(self.out, "!! {url} ({name} => {sum}) doesn't match on disk md5sum")?;
                }
            }
            matched += usize::from(!differs);
            self.tell_match(&heard.url, !differs)?;
        }
        Ok(self.verdict(matched, self.scout.hosts.len() - matched)?)
    }

    pub(super) async fn swift_conf_checksum(&mut self) -> anyhow::Result<()> {
        let own = checksum(&Path::new(&self.options.swift_dir).join("swift.conf"))?;
        self.begin("Checking swift.conf md5sum")?;
        if self.options.has("verbose") {
            writeln!(self.out, "-> On disk swift.conf md5sum: {own}")?;
        }
        let heard = self.scout.ask("swiftconfmd5").await;
        let mut matched = 0;
        for heard in &heard {
            // by its path on that host, which need not be ours
            let sums = heard.answer.as_object().into_iter().flatten();
            let sum = sums.map(|(_, sum)| sum.as_str().unwrap_or("None")).next().unwrap_or("None");
            if sum != own {
                writeln!(self.out, "!! {} ({sum}) doesn't match on disk md5sum", heard.url)?;
            }
            matched += usize::from(sum == own);
            self.tell_match(&heard.url, sum == own)?;
        }
        Ok(self.verdict(matched, self.scout.hosts.len() - heard.len())?)
    }

    pub(super) async fn time(&mut self) -> io::Result<()> {
        self.begin("Checking time-sync")?;
        let jitter = self.options.jitter_s;
        let heard = self.scout.ask("time").await;
        let mut matched = 0;
        for heard in &heard {
            let remote = heard.answer.as_f64().unwrap_or(0.0);
            let agrees = remote + jitter >= heard.asked_at && remote - jitter <= heard.heard_at;
            if !agrees {
                let (here, there) = (shown_time(heard.heard_at), shown_time(remote));
                let (url, apart) = (&heard.url, (heard.heard_at - remote).abs());
                writeln!(
                    self.out,
                    "!! {url} current time is {here}, but remote is {there}, differs by {apart:.4} sec"
                )?;
            }
            matched += usize::from(agrees);
            self.tell_match(&heard.url, agrees)?;
        }
        self.verdict(matched, self.scout.hosts.len() - heard.len())
    }

    pub(super) async fn versions(&mut self) -> io::Result<()> {
        self.begin("Checking versions")?;
        let heard = self.scout.ask("version").await;
        let mut versions = BTreeSet::new();
        for heard in &heard {
            let version = heard.answer["version"].as_str().unwrap_or("None").to_owned();
            if self.options.has("verbose") {
                writeln!(self.out, "-> {} installed version {version}", heard.url)?;
            }
            versions.insert(version);
        }
        let errors = self.scout.hosts.len() - heard.len();
        let list = versions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match versions.len() {
            0 => writeln!(self.out, "No hosts returned valid data.")?,
            1 => writeln!(self.out, "Versions matched ({list}), {errors} error[s] while checking hosts.")?,
            _ => {
                writeln!(self.out, "Versions not matched ({list}), {errors} error[s] while checking hosts.")?
            }
        }
        self.end()
    }

    pub(super) async fn server_types(&mut self) -> io::Result<()> {
        let (server, count) = (self.server.name(), self.scout.hosts.len());
        self.begin(&format!("Validating server type '{server}' on {count} hosts..."))?;
        let wanted = format!("{server}-server");
        let answers = self.scout.server_types().await;
        // who cannot be asked is told already, and not counted here
        let wrong = answers.into_iter().filter_map(|(url, name)| Some((url, name.ok()?)));
        let wrong: Vec<_> = wrong.filter(|(_, name)| *name != wanted).collect();
        let (ok, errors) = (count - wrong.len(), wrong.len());
        writeln!(self.out, "{ok}/{count} hosts ok, {errors} error[s] while checking hosts.")?;
        for (url, name) in wrong {
            writeln!(self.out, "Invalid: {url} is {name}")?;
        }
        self.end()
    }

    fn tell_match(&mut self, url: &str, matches: bool) -> io::Result<()> {
        match matches && self.options.has("verbose") {
            true => writeln!(self.out, "-> {url} matches."),
            false => Ok(()),
        }
    }

    fn verdict(&mut self, matched: usize, errors: usize) -> io::Result<()> {
        let count = self.scout.hosts.len();
        writeln!(self.out, "{matched}/{count} hosts matched, {errors} error[s] while checking hosts.")?;
        self.end()
    }
}

/// The checksums of this machine's rings for a type of server, by the files' names.
fn own_rings(swift_dir: &Path, server: &str) -> io::Result<BTreeMap<String, String>> {
    let mut rings = BTreeMap::new();
    for entry in std::fs::read_dir(swift_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_meant = match server {
            "object" => name.starts_with(server) && name.ends_with(".ring.gz"),
            _ => name == format!("{server}.ring.gz"),
        };
        if is_meant {
            let sum = checksum(&swift_dir.join(&name))?;
            rings.insert(name, sum);
        }
    }
    Ok(rings)
}
