//! The host that a client asked, and the domains that belong to the cluster: what filters that read names out of
//! hosts share.

use super::app::ProxyRequest;
use crate::http::Headers;
use swiftlet_types::conf::Options;

/// The host's name and its port, where it has one: as the client says, or what it connected to.
pub fn host_and_port(request: &ProxyRequest) -> (String, Option<String>) {
    let host = match request.http.headers.get("Host") {
        Some(host) => String::from_utf8_lossy(host).into_owned(),
        None => return (request.env.local.map(|local| local.ip().to_string()).unwrap_or_default(), None),
    };
    match host.rsplit_once(':') {
        Some((name, port)) => (name.to_owned(), Some(port.to_owned())),
        None => (host, None),
    }
}

/// Changes the URLs in `Location` and `Content-Location`: `rename` gets what stands behind `http://` or `https://`, and
/// gives what is to stand there, if anything else.
pub fn rename_locations(headers: &mut Headers, rename: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    for name in ["Location", "Content-Location"] {
        let Some(url) = headers.get(name) else { continue };
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| url.starts_with(scheme));
        let Some((scheme, rest)) = scheme.map(|scheme| url.split_at(scheme.len())) else { continue };
        if let Some(renamed) = rename(rest) {
            let renamed = [scheme, &renamed].concat();
            headers.set(name, renamed);
        }
    }
}

/// The domains of `storage_domain`, each with a dot before it.
#[derive(Debug, Clone)]
pub struct StorageDomains(Vec<String>);

impl StorageDomains {
    /// Reads the option.
    pub fn read(section: &Options) -> Self {
        let (dotted, plain): (Vec<_>, Vec<_>) = section
            .list("storage_domain", "example.com")
            .into_iter()
            .partition(|domain| domain.starts_with('.'));
        Self(plain.into_iter().map(|domain| format!(".{domain}")).chain(dotted).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `host` lies in one of the domains, or is one.
    pub fn contain(&self, host: &str) -> bool {
        let dotted = format!(".{host}");
        self.0.iter().any(|domain| dotted.ends_with(domain.as_str()))
    }

    /// What of `host` stands before the first domain that it lies in.
    pub fn below<'a>(&self, host: &'a str) -> Option<&'a str> {
        self.0.iter().find_map(|domain| host.strip_suffix(domain.as_str()))
    }
}
