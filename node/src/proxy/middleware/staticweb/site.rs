//! What a container says of itself as a web site, and under which URL the operator says that sites are reached.

use crate::http::Response;
use crate::proxy::app::ProxyRequest;
use crate::proxy::info::ContainerInfo;
use swiftlet_types::conf::is_true;

/// A container's `X-Container-Meta-Web-…`; empty where it says nothing.
#[derive(Debug, Default)]
pub struct Site {
    /// The object that stands for a folder.
    pub index: String,
    /// The end of the names of the objects that stand for errors: `404error.html`.
    pub error: String,
    listings: String,
    listings_label: String,
    /// The style sheet of listings.
    pub listings_css: String,
    directory_type: String,
}

impl Site {
    /// The site of a container, an empty one where there is none.
    pub fn of(info: &ContainerInfo) -> Self {
        if !info.exists() {
            return Self::default();
        }
        let meta = |name: &str| info.meta.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
        Self {
            index: meta("web-index"),
            error: meta("web-error"),
            listings: meta("web-listings"),
            listings_label: meta("web-listings-label"),
            listings_css: meta("web-listings-css"),
            directory_type: meta("web-directory-type"),
        }
    }

    /// Whether the container is a web site.
    pub fn is_any(&self) -> bool {
        !self.listings.is_empty() || !self.index.is_empty()
    }

    /// Whether folders are listed.
    pub fn lists(&self) -> bool {
        is_true(&self.listings)
    }

    /// Whether an object of `length` bytes only marks a folder.
    pub fn is_folder(&self, response: &Response, length: u64) -> bool {
        let marker =
            if self.directory_type.is_empty() { "application/directory" } else { &self.directory_type };
        response.headers.get_str("Content-Type") == Some(marker) && length <= 1
    }

    /// What the listing of `path` is called.
    pub fn label(&self, path: &[u8]) -> String {
        let path = String::from_utf8_lossy(path);
        if self.listings_label.is_empty() {
            return path.into_owned();
        }
        let below: Vec<&str> = path.split('/').skip(4).collect();
        format!("{}/{}", self.listings_label, below.join("/"))
    }
}

/// The operator's `url_base`: scheme and host of redirects, each as the client reached us where it is not said.
#[derive(Debug, Default, PartialEq)]
pub struct UrlBase {
    scheme: Option<String>,
    host: Option<String>,
}

impl UrlBase {
    /// Reads `https://host:port`, `https:` or `//host`; what follows the host is left out.
    pub fn parse(text: &str) -> Self {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if !scheme.is_empty() && (rest.is_empty() || rest.starts_with("//")) => {
                (Some(scheme.to_lowercase()), rest)
            }
            _ => (None, text),
        };
        let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
        Self { scheme, host: host.filter(|host| !host.is_empty()).map(str::to_owned) }
    }

    /// Makes `request` one that came so.
    pub fn apply(&self, request: &mut ProxyRequest) {
        if let Some(scheme) = &self.scheme {
            request.env.secure = scheme == "https";
        }
        if let Some(host) = &self.host {
            request.http.headers.set("Host", host.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_bases() {
        let base = |scheme: Option<&str>, host: Option<&str>| UrlBase {
            scheme: scheme.map(str::to_owned),
            host: host.map(str::to_owned),
        };
        for (text, parsed) in [
            ("http://www.example.com", base(Some("http"), Some("www.example.com"))),
            ("https:", base(Some("https"), None)),
            ("https://", base(Some("https"), None)),
            ("//www.example.com:8080/x", base(None, Some("www.example.com:8080"))),
            ("", base(None, None)),
        ] {
            assert_eq!(UrlBase::parse(text), parsed, "{text}");
        }
    }
}
