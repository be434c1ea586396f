//! Query strings: the parameters of a request, as Swift's servers read and re-quote them.

use crate::http::Response;
use bytes::Bytes;
use swiftlet_types::names;

/// The parameters of a query string, decoded: one value a name (the last given, at the place of the first).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(Vec<u8>, Vec<u8>)>);

impl Params {
    /// Parses a query string. Names without a value have an empty one.
    pub fn parse(query: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in names::query_pairs(query) {
            params.set(&name, value);
        }
        params
    }

    /// The value of `name`, if given.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, v)| &v[..])
    }

    /// The value of `name` as text; one that is not UTF-8 is answered with 400.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Response> {
        let invalid = |_| Response::plain(400, format!("\"{name}\" parameter not valid UTF-8"));
        self.get(name).map(|value| std::str::from_utf8(value).map_err(invalid)).transpose()
    }

    /// Sets `name` to `value`.
    pub fn set(&mut self, name: &[u8], value: impl Into<Vec<u8>>) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => *v = value.into(),
            None => self.0.push((name.to_vec(), value.into())),
        }
    }

    /// Removes `name`; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(n, _)| n != name.as_bytes());
        self.0.len() < before
    }

    /// As a query string again, without `?`.
    pub fn to_query(&self) -> Bytes {
        let quoted = |(n, v): &(Vec<u8>, Vec<u8>)| {
            format!("{}={}", names::quote_component(n), names::quote_component(v))
        };
        self.0.iter().map(quoted).collect::<Vec<_>>().join("&").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_value_counts_at_the_place_of_the_first() {
        let mut params = Params::parse(b"marker=a%2Fb+c&reverse&marker=%FF&limit=10&=x");
        assert_eq!(params.get("marker"), Some(&b"\xff"[..]));
        assert_eq!(params.get("reverse"), Some(&b""[..]));
        assert_eq!(params.get("format"), None);
        params.set(b"format", "json");
        assert_eq!(params.to_query(), "marker=%FF&reverse=&limit=10&=x&format=json");
    }

    proptest! {
        #[test]
        fn values_come_back(value in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut params = Params::default();
            params.set(b"k", value.clone());
            let parsed = Params::parse(&params.to_query());
            prop_assert_eq!(parsed.get("k"), Some(&value[..]));
        }
    }
}
