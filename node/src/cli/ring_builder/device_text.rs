//! The one-word forms of devices: `r1z2-10.1.2.3:6200R10.2.2.3:6201/sdb_meta` and parts of it.

use swiftlet_ring::address::normalize_ip;
use swiftlet_ring::builder::{DeviceChange, NewDevice, Search};

/// What is left of a word while it is read from the left.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, prefix: &str) -> bool {
        self.0.strip_prefix(prefix).map(|rest| self.0 = rest).is_some()
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let (part, rest) = self.0.split_at(end);
        self.0 = rest;
        part
    }

    /// A number after a prefix.
    fn number<T: std::str::FromStr>(&mut self, prefix: &str) -> Result<Option<T>, String> {
        if !self.skip(prefix) {
            return Ok(None);
        }
        super::arguments::int(self.take_while(|c| c.is_ascii_digit())).map(Some)
    }

    /// An IPv4 address, or an IPv6 one in brackets.
    fn ip(&mut self) -> Result<Option<String>, String> {
        let ip = if self.0.starts_with(|c: char| c.is_ascii_digit()) {
            self.take_while(|c| c.is_ascii_digit() || c == '.')
        } else if self.skip("[") {
            let ip = self.take_while(|c| c != ']');
            self.skip("]");
            ip
        } else {
            return Ok(None);
        };
        normalize_ip(ip).map(Some).ok_or_else(|| format!("Invalid ip {ip}"))
    }

    fn device(&mut self) -> Option<String> {
        self.skip("/").then(|| self.take_while(|c| c != '_').to_owned())
    }

    fn meta(&mut self) -> Option<String> {
        self.skip("_").then(|| std::mem::take(&mut self.0).to_owned())
    }

    /// `ip:port`, up to the replication address or the device.
    fn address(&mut self) -> Result<(String, u16), String> {
        let address = self.take_while(|c| c != 'R' && c != '/');
        let (ip, port) = address.rsplit_once(':').ok_or("Invalid port in add value")?;
        let port = port.parse().map_err(|_| format!("Invalid port :{port} in add value"))?;
        let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
        Ok((normalize_ip(bare).ok_or_else(|| format!("Invalid ip {bare}"))?, port))
    }
}

/// Reads a device to add, its weight still to come. The region is `None` when the word does not begin with it.
pub(in crate::cli) fn new_device(word: &str) -> Result<(NewDevice, Option<u32>), String> {
    let invalid = || format!("Invalid add value: {word}");
    let mut rest = Rest(word);
    let region = rest.number("r")?;
    let zone = rest.number("z")?.ok_or_else(invalid)?;
    if !rest.skip("-") {
        return Err(invalid());
    }
    let (ip, port) = rest.address()?;
    let (replication_ip, replication_port) = match rest.skip("R") {
        true => rest.address()?,
        false => (ip.clone(), port),
    };
    let device = rest.device().ok_or_else(invalid)?;
    check_device_name(&device)?;
    let meta = rest.meta().unwrap_or_default();
    let region_or_first = region.unwrap_or(1);
    let new = NewDevice {
        id: None,
        region: region_or_first,
        zone,
        ip,
        port,
        replication_ip,
        replication_port,
        device,
        weight: 0.0,
        meta,
    };
    Ok((new, region))
}

/// A mount point's name.
pub(super) fn check_device_name(name: &str) -> Result<(), String> {
    let is_valid = !name.is_empty() && !name.starts_with(' ') && !name.ends_with(' ');
    if is_valid { Ok(()) } else { Err("Invalid device name".into()) }
}

/// Reads what devices to look for.
pub(super) fn search(word: &str) -> Result<Search, String> {
    let mut rest = Rest(word);
    let (id, region, zone) = (rest.number("d")?, rest.number("r")?, rest.number("z")?);
    rest.skip("-");
    let (ip, port) = (rest.ip()?, rest.number(":")?);
    let (replication_ip, replication_port) = match rest.skip("R") {
        true => (rest.ip()?, rest.number(":")?),
        false => (None, None),
    };
    let (device, meta) = (rest.device(), rest.meta());
    if !rest.0.is_empty() {
        return Err(format!("Invalid <search-value>: '{word}'"));
    }
    Ok(Search { id, region, zone, ip, port, replication_ip, replication_port, device, weight: None, meta })
}

/// Reads what to change of a device.
pub(super) fn change(word: &str) -> Result<DeviceChange, String> {
    let mut rest = Rest(word);
    let (ip, port) = (rest.ip()?, rest.number(":")?);
    let (replication_ip, replication_port) = match rest.skip("R") {
        true => (rest.ip()?, rest.number(":")?),
        false => (None, None),
    };
    let change =
        DeviceChange { ip, port, replication_ip, replication_port, device: rest.device(), meta: rest.meta() };
    if !rest.0.is_empty() || change == DeviceChange::default() {
        return Err(format!("Invalid set info change value: '{word}'"));
    }
    Ok(change)
}
