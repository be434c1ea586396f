//! Affinity: which regions and zones are near (`read_affinity`, `write_affinity`).

use thiserror::Error;

/// An affinity option that cannot be right.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not an affinity: it should be like {1:?}")]
pub struct AffinityError(String, &'static str);

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Its region.
    pub region: u32,
    /// Its zone in that region.
    pub zone: u32,
}

/// One place of an affinity option: a region, or a zone of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    region: u32,
    zone: Option<u32>,
}

impl Place {
    /// Parses `r<region>` or `r<region>z<zone>`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('r')?;
        match text.split_once('z') {
            Some((region, zone)) => Some(Self { region: number(region)?, zone: Some(number(zone)?) }),
            None => Some(Self { region: number(text)?, zone: None }),
        }
    }

    fn holds(&self, at: Location) -> bool {
        self.region == at.region && self.zone.is_none_or(|zone| zone == at.zone)
    }
}

fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `read_affinity`: places by priority, such as `r1z1=100, r1=200`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadAffinity(Vec<(u32, Place)>);

impl ReadAffinity {
    /// Parses the option; empty prefers nothing.
    pub fn parse(text: &str) -> Result<Self, AffinityError> {
        let parse = |piece: &str| {
            let (place, priority) = piece.trim().split_once('=')?;
            Some((number(priority)?, Place::parse(place)?))
        };
        let error = || AffinityError(text.to_owned(), "r1z2=100, r1=200");
        let mut places = pieces(text).map(parse).collect::<Option<Vec<_>>>().ok_or_else(error)?;
        places.sort_by_key(|(priority, _)| *priority);
        Ok(Self(places))
    }

    /// What to sort nodes by: lower is nearer, and what no place names comes last.
    pub fn sort_key(&self, at: Location) -> u64 {
        let nearest = self.0.iter().find(|(_, place)| place.holds(at));
        nearest.map_or(1 << 32, |(priority, _)| u64::from(*priority))
    }

    /// Whether the option is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `write_affinity`: the places that are local, such as `r1, r2z3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteAffinity(Vec<Place>);

impl WriteAffinity {
    /// Parses the option; `None` where it is empty, and writes go anywhere.
    pub fn parse(text: &str) -> Result<Option<Self>, AffinityError> {
        let places = pieces(text).map(|piece| Place::parse(piece.trim())).collect::<Option<Vec<_>>>();
        let places = places.ok_or_else(|| AffinityError(text.to_owned(), "r1, r2z3"))?;
        Ok((!places.is_empty()).then_some(Self(places)))
    }

    /// Whether a node there is local.
    pub fn is_local(&self, at: Location) -> bool {
        self.0.iter().any(|place| place.holds(at))
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    let pieces = if text.is_empty() { 0 } else { usize::MAX };
    text.split(',').take(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(region: u32, zone: u32) -> Location {
        Location { region, zone }
    }

    #[test]
    fn the_nearest_place_by_priority_wins() {
        let affinity = ReadAffinity::parse("r1=200, r1z1=100,r2z7=300").unwrap();
        assert_eq!(affinity.sort_key(at(1, 1)), 100);
        assert_eq!(affinity.sort_key(at(1, 2)), 200);
        assert_eq!(affinity.sort_key(at(2, 7)), 300);
        assert_eq!(affinity.sort_key(at(2, 8)), 1 << 32);
        assert_eq!(ReadAffinity::parse("  ").unwrap().sort_key(at(1, 1)), 1 << 32);
    }

    #[test]
    fn local_is_what_any_place_holds() {
        let affinity = WriteAffinity::parse("r1, r2z2").unwrap().unwrap();
        assert!(affinity.is_local(at(1, 9)) && affinity.is_local(at(2, 2)));
        assert!(!affinity.is_local(at(2, 1)));
        assert_eq!(WriteAffinity::parse(" "), Ok(None));
    }

    #[test]
    fn what_is_no_affinity_is_refused() {
        for bad in ["r1", "r1=", "z1=1", "r1z=1", "r1=x", "r1=1,", "r+1=1"] {
            assert!(ReadAffinity::parse(bad).is_err(), "{bad}");
        }
        for bad in ["1", "r", "r1z", "r1=1", "r1,"] {
            assert!(WriteAffinity::parse(bad).is_err(), "{bad}");
        }
    }
}
