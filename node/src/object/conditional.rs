//! Which ETag a request's conditions are about.

use crate::http::Headers;
use swiftlet_storage::object::Metadata;

/// The ETag that conditions are about: the first of the names in X-Backend-Etag-Is-At that the object has, or its
/// own.
pub(super) fn conditional_etag<'a>(headers: &Headers, metadata: &'a Metadata) -> &'a [u8] {
    let names = headers.get("X-Backend-Etag-Is-At").unwrap_or_default();
    let alternate = names.split(|b| *b == b',').map(<[u8]>::trim_ascii).find_map(|wanted| {
        metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| &value[..])
    });
    alternate.or_else(|| metadata.get("ETag").map(|etag| &etag[..])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_etag_may_be_meant() {
        let metadata: Metadata =
            [("ETag", "own"), ("X-Object-Sysmeta-Crypto-Etag", "plain")].into_iter().collect();
        let headers: Headers =
            [("X-Backend-Etag-Is-At", "x-object-sysmeta-none, x-object-sysmeta-crypto-etag")]
                .into_iter()
                .collect();
        assert_eq!(conditional_etag(&headers, &metadata), b"plain");
        assert_eq!(conditional_etag(&Headers::new(), &metadata), b"own");
    }
}
