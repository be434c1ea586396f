//! `rsync_module`: where on a peer rsync finds its devices, in Swift's templates.

use swiftlet_ring::{Device, bracketed};
use swiftlet_types::conf::{OptionError, Options};

/// A module's address with the places of a device's facts: `{replication_ip}::account`.
#[derive(Debug, Clone)]
pub struct RsyncModule(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Fact(fn(&Device) -> String),
}

impl RsyncModule {
    /// Reads `rsync_module`.
    pub fn from_options(options: &Options, default: &str) -> Result<Self, OptionError> {
        let template = options.str_or("rsync_module", default);
        let template = match template.trim_end_matches('/') {
            "" => default,
            template => template,
        };
        Self::parse(template).map_err(|why| options.error("rsync_module", why))
    }

    fn parse(template: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), template);
        while let Some((text, more)) = rest.split_once('{') {
            let (name, after) =
                more.split_once('}').ok_or_else(|| format!("{template:?}: no }} after {{"))?;
            pieces.extend([Piece::Text(text.to_owned()), Piece::Fact(fact(name)?)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The module of a device.
    pub fn of(&self, device: &Device) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Fact(of) => of(device),
        };
        self.0.iter().map(text).collect()
    }
}

fn fact(name: &str) -> Result<fn(&Device) -> String, String> {
    Ok(match name {
        "ip" => |device| bracketed(&device.ip),
        "port" => |device| device.port.to_string(),
        "replication_ip" => |device| bracketed(&device.replication_ip),
        "replication_port" => |device| device.replication_port.to_string(),
        "region" => |device| device.region.to_string(),
        "zone" => |device| device.zone.to_string(),
        "device" => |device| device.device.clone(),
        "meta" => |device| device.meta.clone(),
        _ => {
            return Err(format!(
                "{{{name}}} is none of {{ip}}, {{port}}, {{replication_ip}}, {{replication_port}}, {{region}}, \
                 {{zone}}, {{device}} and {{meta}}"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device {
            device: "sda".into(),
            id: 3,
            ip: "10.0.0.1".into(),
            meta: "blue".into(),
            port: 6201,
            region: 1,
            replication_ip: "fd00::1".into(),
            replication_port: 7201,
            weight: 1.0,
            zone: 2,
        }
    }

    #[test]
    fn templates_are_swifts() {
        for (template, module) in [
            ("{replication_ip}::account", "[fd00::1]::account"),
            ("{ip}::object{replication_port}_{device}", "10.0.0.1::object7201_sda"),
            ("rsync://{ip}:{port}/{meta}-{region}-{zone}", "rsync://10.0.0.1:6201/blue-1-2"),
            ("plain", "plain"),
        ] {
            assert_eq!(RsyncModule::parse(template).unwrap().of(&device()), module);
        }
    }

    #[test]
    fn what_is_no_fact_of_a_device_is_told() {
        let options = Options::new("f", "s").with("rsync_module", "{host}::account");
        let error = RsyncModule::from_options(&options, "").unwrap_err().to_string();
        assert!(error.contains("{host}") && error.contains("{replication_ip}"), "{error}");
        assert!(RsyncModule::parse("{ip").is_err());
        let options = Options::new("f", "s").with("rsync_module", "/");
        let module = RsyncModule::from_options(&options, "{device}::m").unwrap();
        assert_eq!(module.of(&device()), "sda::m");
    }
}
