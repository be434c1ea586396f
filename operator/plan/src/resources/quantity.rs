//! Kubernetes quantities: bytes, and amounts of whatever a container asks for.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// An amount of a resource as a person writes it: `500m`, `2`, `1.5Gi`. A number without quotes is taken too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceQuantity(pub String);

impl ResourceQuantity {
    /// The amount in thousandths: of a processor, of a byte.
    pub fn thousandths(&self) -> Result<u128, QuantityError> {
        if let Some(number) = self.0.strip_suffix('m') {
            let digits =
                !number.is_empty() && number.len() <= 18 && number.bytes().all(|b| b.is_ascii_digit());
            return digits
                .then(|| number.parse().ok())
                .flatten()
                .ok_or_else(|| QuantityError(self.0.clone()));
        }
        // Fractions of processors: 0.5 is 500m.
        if let Some((whole, fraction)) = self.0.split_once('.')
            && fraction.len() <= 3
            && let Ok(thousandths) = format!("{whole}{fraction:0<3}").parse()
        {
            return Ok(thousandths);
        }
        Ok(u128::from(parse_quantity_bytes(&self.0)?) * 1000)
    }
}

impl<'de> Deserialize<'de> for ResourceQuantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = ResourceQuantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount like 500m, 2 or 1Gi")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ResourceQuantity(text.to_string()))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(ResourceQuantity(number.to_string()))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
                u64::try_from(number)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
                    .and_then(|n| self.visit_u64(n))
            }
        }
        deserializer.deserialize_any(TextOrNumber).map_err(D::Error::custom)
    }
}

impl JsonSchema for ResourceQuantity {
    fn schema_name() -> Cow<'static, str> {
        "ResourceQuantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 32,
            "pattern": r"^[0-9]+(\.[0-9]+)?(m|[KMGTPE]i|[kMGTPE])?$",
        })
    }
}

impl fmt::Display for ResourceQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a size; write it like 4Ti, 500Gi or 1000000000")]
pub struct QuantityError(pub String);

/// The bytes of `text`: a decimal number with a suffix `Ki Mi Gi Ti Pi Ei`, `k M G T P E` or none.
/// A fraction of a byte is dropped.
pub fn parse_quantity_bytes(text: &str) -> Result<u64, QuantityError> {
    const SUFFIXES: [(&str, u64); 12] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
    ];
    let refuse = || QuantityError(text.to_string());
    let (number, unit_bytes) = SUFFIXES
        .iter()
        .find_map(|(suffix, bytes)| text.strip_suffix(suffix).map(|number| (number, *bytes)))
        .unwrap_or((text, 1));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.len() <= 18 && s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(refuse());
    }
    let parse = |s: &str| if s.is_empty() { Ok(0) } else { s.parse::<u128>().map_err(|_| refuse()) };
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| refuse())?);
    let bytes = parse(whole)? * u128::from(unit_bytes) + parse(fraction)? * u128::from(unit_bytes) / scale;
    u64::try_from(bytes).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kubernetes_quantities() {
        assert_eq!(parse_quantity_bytes("4Ti"), Ok(4 << 40));
        assert_eq!(parse_quantity_bytes("1.5Gi"), Ok(3 << 29));
        assert_eq!(parse_quantity_bytes("100G"), Ok(100_000_000_000));
        assert_eq!(parse_quantity_bytes("512"), Ok(512));
    }

    #[test]
    fn amounts_are_compared_in_thousandths() {
        let amount = |text: &str| ResourceQuantity(text.to_string()).thousandths();
        assert_eq!(amount("500m"), Ok(500));
        assert_eq!(amount("0.5"), Ok(500));
        assert_eq!(amount("2"), Ok(2000));
        assert_eq!(amount("1.5Gi"), Ok((3 << 29) * 1000));
        for text in ["m", "1.5m", "", "two", "1m5"] {
            assert!(amount(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn amounts_may_be_written_without_quotes() {
        let read = |json: &str| serde_json::from_str::<ResourceQuantity>(json).map(|amount| amount.0);
        assert_eq!(read("2").unwrap(), "2");
        assert_eq!(read("\"500m\"").unwrap(), "500m");
        assert!(read("-1").is_err() && read("0.5").is_err() && read("[]").is_err());
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "Gi", ".", "-1Gi", "1 Gi", "1GiB", "1e3", "100Ei", "1.2.3"] {
            assert!(parse_quantity_bytes(text).is_err(), "{text:?}");
        }
    }
}
