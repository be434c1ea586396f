//! Kubernetes quantities, where they mean bytes.

use thiserror::Error;

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
    fn refuses_what_is_none() {
        for text in ["", "Gi", ".", "-1Gi", "1 Gi", "1GiB", "1e3", "100Ei", "1.2.3"] {
            assert!(parse_quantity_bytes(text).is_err(), "{text:?}");
        }
    }
}
