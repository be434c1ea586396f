//! The HTML of listings.

use super::site::Site;
use serde::Deserialize;
use std::fmt::Write as _;
use swiftlet_types::names::{query_pairs, quote};

/// An entry of a container's listing.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// Names that go on behind a slash.
    Subdir {
        /// Up to the slash.
        subdir: String,
    },
    /// An object.
    Object {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
        /// As a client set it.
        content_type: String,
        /// `2014-01-01T00:00:00.000000`
        last_modified: String,
    },
}

/// A temporary URL that opens a folder: what links in the folder's listing must carry.
#[derive(Debug, Default)]
pub struct Link {
    prefix: String,
    query: String,
}

impl Link {
    /// `None` where the URL opens one object.
    pub fn parse(query: &[u8]) -> Option<Self> {
        let first = |name: &str| query_pairs(query).find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v);
        let prefix = first("temp_url_prefix")?;
        let mut parts = vec![
            format!("temp_url_prefix={}", quote(&prefix)),
            format!("temp_url_expires={}", quote(first("temp_url_expires").unwrap_or_default())),
            format!("temp_url_sig={}", quote(first("temp_url_sig").unwrap_or_default())),
        ];
        parts.extend(first("temp_url_ip_range").map(|range| format!("temp_url_ip_range={}", quote(range))));
        parts.extend(first("inline").map(|_| "inline".to_owned()));
        let prefix = String::from_utf8_lossy(&prefix).into_owned();
        Some(Self { prefix, query: format!("?{}", parts.join("&amp;")) })
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A link to a name in the folder. Dots are encoded, lest `..` mean the folder above.
fn href(name: &str, link: &Link) -> String {
    format!("./{}{}", quote(name).replace('.', "%2E"), link.query)
}

/// A size with the letter of its power of 1024.
fn human_readable(bytes: u64) -> String {
    let (mut value, mut suffix) = (bytes as f64, None);
    let mut suffixes = "KMGTPEZY".chars();
    while value >= 1024.0
        && let Some(next) = suffixes.next()
    {
        suffix = Some(next);
        value = (value / 1024.0).round_ties_even();
    }
    suffix.map_or(format!("{value:.0}"), |suffix| format!("{value:.0}{suffix}i"))
}

/// The style sheet's URL, as seen from the folder `prefix`.
fn style_sheet(site: &Site, prefix: &str) -> String {
    let css = &site.listings_css;
    let href = match ["/", "http://", "https://"].iter().any(|start| css.starts_with(start)) {
        true => quote(css).replace("%3A", ":"),
        false => "../".repeat(prefix.matches('/').count()) + &quote(css),
    };
    format!("  <link rel=\"stylesheet\" type=\"text/css\" href=\"{href}\" />\n")
}

/// The page for a folder that the site's owner does not let be listed.
pub fn disabled(site: &Site, label: &str, prefix: &str) -> String {
    let style = match site.listings_css.is_empty() {
        false => style_sheet(site, prefix),
        true => "  <style type=\"text/css\">\n   h1 {font-size: 1em; font-weight: bold;}\n   p {font-size: 2}\n  </style>\n"
            .to_owned(),
    };
    let label = escape(label);
    let missing = match site.index.is_empty() {
        true => String::new(),
        false => format!(
            "<h1>Index File Not Found</h1> <p>The owner of this web site has set  <b>X-Container-Meta-Web-Index: \
             {}</b>.  However, this file is not found.</p>",
            escape(&site.index)
        ),
    };
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<title>Listing of {label}</title>\n{style}</head>\n<body>  \
         <h1>Web Listing Disabled</h1>   <p>The owner of this web site has disabled web listing.   <p>If you are \
         the owner of this web site, you can enable   web listing by setting X-Container-Meta-Web-Listings.</p>\
         {missing} </body>\n</html>\n"
    )
}

fn row(page: &mut String, class: &str, link: &str, name: &str, size: &str, date: &str) {
    let _ = write!(
        page,
        "   <tr {class}>\n    <td class=\"colname\"><a href=\"{link}\">{name}</a></td>\n    \
         <td class=\"colsize\">{size}</td>\n    <td class=\"coldate\">{date}</td>\n   </tr>\n"
    );
}

/// The page that lists `entries` of the folder `prefix`.
pub fn listing(site: &Site, label: &str, prefix: &str, link: &Link, entries: &[Entry]) -> String {
    let style = match site.listings_css.is_empty() {
        false => style_sheet(site, prefix),
        true => "  <style type=\"text/css\">\n   h1 {font-size: 1em; font-weight: bold;}\n   \
                 th {text-align: left; padding: 0px 1em 0px 1em;}\n   td {padding: 0px 1em 0px 1em;}\n   \
                 a {text-decoration: none;}\n  </style>\n"
            .to_owned(),
    };
    let label = escape(label);
    let mut page = format!(
        "<!DOCTYPE html>\n<html>\n <head>\n  <title>Listing of {label}</title>\n{style} </head>\n <body>\n  \
         <h1 id=\"title\">Listing of {label}</h1>\n  <table id=\"listing\">\n   <tr id=\"heading\">\n    \
         <th class=\"colname\">Name</th>\n    <th class=\"colsize\">Size</th>\n    \
         <th class=\"coldate\">Date</th>\n   </tr>\n"
    );
    let blank = "&nbsp;";
    if prefix.len() > link.prefix.len() {
        let above = format!("../{}", link.query);
        row(&mut page, "id=\"parent\" class=\"item\"", &above, "../", blank, blank);
    }
    let below = |name: &str| name.get(prefix.len()..).unwrap_or_default().to_owned();
    for entry in entries {
        if let Entry::Subdir { subdir } = entry {
            let name = below(subdir);
            row(&mut page, "class=\"item subdir\"", &href(&name, link), &escape(&name), blank, blank);
        }
    }
    for entry in entries {
        if let Entry::Object { name, bytes, content_type, last_modified } = entry {
            let name = below(name);
            let types: Vec<_> =
                content_type.split('/').map(|t| format!("type-{}", escape(&t.to_lowercase()))).collect();
            let class = format!("class=\"item {}\"", types.join(" "));
            let date = escape(last_modified);
            let date = date.split('.').next().unwrap_or_default().replace('T', " ");
            row(&mut page, &class, &href(&name, link), &escape(&name), &human_readable(*bytes), &date);
        }
    }
    page + "  </table>\n </body>\n</html>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        let read = [0, 1023, 1024, 1536, 2560, 1_048_575, 1 << 40].map(human_readable);
        assert_eq!(read, ["0", "1023", "1Ki", "2Ki", "2Ki", "1Mi", "1Ti"]);
    }
}
