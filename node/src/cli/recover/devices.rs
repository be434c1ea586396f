//! Devices as they are named on the command line: by their place in a ring and where they are mounted now, or, where
//! they carry Swiftlet's identity file, by the latter alone.

use crate::cli::ring_builder::device_text;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use swiftlet_ring::builder::NewDevice;
use swiftlet_storage::identity::Identity;

/// The port of object servers where nothing else is said.
const OBJECT_PORT: u16 = 6200;

/// Reads `[r<region>][z<zone>-]<ip>:<port>[R<ip>:<port>]/<device>[_<meta>]=<path>`, or a path alone.
pub(super) fn parse(word: &str) -> anyhow::Result<(PathBuf, NewDevice)> {
    match word.split_once('=').filter(|(place, _)| !place.starts_with(['/', '.'])) {
        Some((place, path)) => {
            let path = checked(path)?;
            Ok((path, parse_place(place).with_context(|| format!("{word:?}"))?))
        }
        None => {
            let path = checked(word)?;
            let place = place_by_identity(&path)?;
            Ok((path, place))
        }
    }
}

/// A device by its path alone, whatever precedes it.
pub(super) fn parse_path(word: &str) -> anyhow::Result<PathBuf> {
    let is_place = |place: &str| !place.starts_with(['/', '.']) && place.contains(':');
    checked(word.split_once('=').filter(|(place, _)| is_place(place)).map_or(word, |(_, path)| path))
}

fn checked(path: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(path);
    match path.is_dir() {
        true => Ok(path),
        false => bail!("{}: there is no such folder", path.display()),
    }
}

/// A place; region and zone are 1 unless it begins with others.
fn parse_place(place: &str) -> anyhow::Result<NewDevice> {
    let is_tiers = |tiers: &str| {
        let zone = tiers
            .strip_prefix('r')
            .map_or(tiers, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        zone.strip_prefix('z')
            .is_some_and(|zone| !zone.is_empty() && zone.chars().all(|c| c.is_ascii_digit()))
    };
    let has_zone = place.split_once('-').is_some_and(|(tiers, _)| is_tiers(tiers));
    let word = if has_zone { place.to_owned() } else { format!("r1z1-{place}") };
    device_text::new_device(&word)
        .map(|(device, _)| device)
        .map_err(|error| anyhow::anyhow!("{error}; r1z2-10.0.0.1:6200/sdb1=/mnt/sdb1 would be right"))
}

/// The place of a device that an operator's node wrote to: its node's name in the cluster's namespace. The zone is the
/// first digits in its zone's name, as `rack3` has them.
fn place_by_identity(path: &Path) -> anyhow::Result<NewDevice> {
    let example = format!("r1z2-10.0.0.1:6200/sdb1={}", path.display());
    let Some(identity) = Identity::read(path)? else {
        bail!("{}: it does not say whose it is; give its place: {example}", path.display());
    };
    let Some((namespace, cluster)) = identity.cluster.split_once('/') else {
        let Identity { node, device, .. } = &identity;
        bail!(
            "{}: it is device {device} of node {node}, whose address nothing tells; give its place: {example}",
            path.display()
        );
    };
    let zone = identity.node.strip_prefix(cluster).unwrap_or(&identity.node);
    let zone = zone.rsplit_once('-').map_or(zone, |(zone, _ordinal)| zone);
    let digits = zone.trim_start_matches(|c: char| !c.is_ascii_digit());
    let digits = &digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())];
    let host = format!("{}.{namespace}.svc", identity.node);
    Ok(NewDevice {
        id: None,
        region: 1,
        zone: digits.parse().unwrap_or(1),
        ip: host.clone(),
        port: OBJECT_PORT,
        replication_ip: host,
        replication_port: OBJECT_PORT,
        device: identity.device,
        weight: 0.0,
        meta: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_ring_builder() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let (path, place) = parse(&format!("r2z3-10.0.0.1:6000R10.1.0.1:6001/sdb1_x={at}")).unwrap();
        assert_eq!(path, dir.path());
        assert_eq!((place.region, place.zone, place.port, place.replication_port), (2, 3, 6000, 6001));
        assert_eq!((place.replication_ip.as_str(), place.device.as_str()), ("10.1.0.1", "sdb1"));
        let (_, place) = parse(&format!("[fe80::1]:6200/d={at}")).unwrap();
        assert_eq!((place.region, place.zone, place.ip.as_str()), (1, 1, "fe80::1"));
        assert_eq!(parse_path(&format!("10.0.0.1:6200/d={at}")).unwrap(), dir.path());
        for bad in
            [format!("10.0.0.1/d={at}"), format!("10.0.0.1:6200={at}"), "/no/such".into(), at.to_string()]
        {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_operators_device_tells_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let text = |text: &str| text.to_owned();
        let identity = Identity {
            cluster: text("ns/demo"),
            hash_path_fingerprint: text("f0"),
            node: text("demo-rack3-0"),
            device: text("d1"),
        };
        identity.claim(dir.path()).unwrap();
        let (_, place) = parse(&dir.path().display().to_string()).unwrap();
        assert_eq!((place.ip.as_str(), place.zone), ("demo-rack3-0.ns.svc", 3));
        let other = tempfile::tempdir().unwrap();
        Identity { cluster: text("demo"), ..identity }.claim(other.path()).unwrap();
        let error = parse(&other.path().display().to_string()).unwrap_err().to_string();
        assert!(error.contains("device d1 of node demo-rack3-0"), "{error}");
    }
}
