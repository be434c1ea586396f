//! Header fields: ordered, byte-valued, names compared without regard to ASCII case.

use bytes::Bytes;

/// The header fields of one message, in the order they came or were set.
///
/// Names and values are bytes (Swift's clients send UTF-8 in both). A parsed message's fields are slices of
/// its one head buffer, so cloning is cheap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(Bytes, Bytes)>,
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields, with room for `capacity` of them.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { fields: Vec::with_capacity(capacity) }
    }

    /// The first value of `name`, if any.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_bytes(name.as_bytes())
    }

    /// The first value of `name`, which may be any bytes.
    pub fn get_bytes(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &v[..])
    }

    /// The first value of `name` where it is valid UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// Every value of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| &v[..])
    }

    /// Whether `name` is present.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets `name` to `value`: in the place of its first field where it has one (further ones go), else last.
    pub fn set(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter().position(|(n, _)| n.eq_ignore_ascii_case(&name)) {
            None => self.fields.push((name, value)),
            Some(at) => {
                let mut index = 0;
                self.fields.retain(|(n, _)| {
                    let keep = index <= at || !n.eq_ignore_ascii_case(&name);
                    index += 1;
                    keep
                });
                self.fields[at] = (name, value);
            }
        }
    }

    /// Sets `name` to the decimal text of `value`.
    pub fn set_int(&mut self, name: impl Into<Bytes>, value: impl itoa::Integer) {
        self.set(name, Bytes::copy_from_slice(itoa::Buffer::new().format(value).as_bytes()));
    }

    /// Adds one more field, whatever is there already.
    pub fn append(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.fields.push((name.into(), value.into()));
    }

    /// Removes every field called `name`; the first value, if there was one.
    pub fn remove(&mut self, name: &str) -> Option<Bytes> {
        let at = self.fields.iter().position(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))?;
        let (_, value) = self.fields.remove(at);
        self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
        Some(value)
    }

    /// Keeps the fields that `keep` approves of.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        self.fields.retain(|(n, v)| keep(n, v));
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.fields.iter().map(|(n, v)| (n, v))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl<N: Into<Bytes>, V: Into<Bytes>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self { fields: fields.into_iter().map(|(n, v)| (n.into(), v.into())).collect() }
    }
}

impl std::fmt::Debug for Headers {
    /// Names only: values may be secrets (tokens, keys).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(n, _)| String::from_utf8_lossy(n))).finish()
    }
}

/// Whether `name` starts with `prefix`, without regard to ASCII case.
pub fn has_prefix(name: &[u8], prefix: &str) -> bool {
    name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_in_place_and_drops_further_ones() {
        let mut h: Headers = [("A", "1"), ("b", "2"), ("a", "3"), ("C", "4")].into_iter().collect();
        h.set("a", "5");
        let got: Vec<_> = h.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        assert_eq!(
            got,
            [("a", "5"), ("b", "2"), ("C", "4")].map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()))
        );
    }

    #[test]
    fn remove_takes_every_field_of_that_name() {
        let mut h: Headers = [("A", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(h.remove("a").as_deref(), Some(&b"1"[..]));
        assert_eq!(h.len(), 1);
        assert_eq!(h.remove("a"), None);
    }

    #[test]
    fn debug_shows_no_values() {
        let h: Headers = [("X-Auth-Token", "secret")].into_iter().collect();
        assert!(!format!("{h:?}").contains("secret"));
    }
}
