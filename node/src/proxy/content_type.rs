//! What an object's name says of its content type, where the client does not say it.

use std::collections::HashMap;
use std::path::Path;

/// Endings known everywhere, in the format of a mime.types file (the table of Python's `mimetypes` module).
const BUILT_IN: &str = include_str!("mime.types");

/// Where hosts keep their own tables; what they say wins, the later the more.
const HOST_FILES: &[&str] = &[
    "/etc/mime.types",
    "/etc/httpd/mime.types",
    "/etc/httpd/conf/mime.types",
    "/etc/apache/mime.types",
    "/etc/apache2/mime.types",
    "/usr/local/etc/httpd/conf/mime.types",
    "/usr/local/lib/netscape/mime.types",
    "/usr/local/etc/mime.types",
];

/// Endings that are short for two.
const SHORT_FOR: &[(&str, &str)] = &[
    (".svgz", ".svg.gz"),
    (".tgz", ".tar.gz"),
    (".taz", ".tar.gz"),
    (".tz", ".tar.gz"),
    (".tbz2", ".tar.bz2"),
    (".txz", ".tar.xz"),
];

/// Endings of compression, which say nothing of what was compressed. Case matters.
const COMPRESSIONS: &[&str] = &[".gz", ".Z", ".bz2", ".xz", ".br"];

/// Content types by lower-case ending, without its dot.
#[derive(Default)]
pub struct ContentTypes(HashMap<String, String>);

impl ContentTypes {
    /// The built-in table, what the host adds, and what `swift_dir/mime.types` adds.
    pub fn load(swift_dir: &Path) -> Self {
        let mut types = Self(HashMap::new());
        types.add(BUILT_IN);
        for file in HOST_FILES.iter().map(Path::new).chain([swift_dir.join("mime.types").as_path()]) {
            if let Ok(text) = std::fs::read_to_string(file) {
                types.add(&text);
            }
        }
        types
    }

    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace().take_while(|w| !w.starts_with('#'));
            let Some(content_type) = words.next() else { continue };
            for ending in words {
                self.0.insert(ending.to_owned(), content_type.to_owned());
            }
        }
    }

    /// The content type that `path` suggests, if any.
    pub fn guess(&self, path: &str) -> Option<&str> {
        let (mut base, mut ending) = split_ending(path);
        let expanded;
        if let Some((_, long)) = SHORT_FOR.iter().find(|(short, _)| ending.eq_ignore_ascii_case(short)) {
            expanded = format!("{base}{long}");
            (base, ending) = split_ending(&expanded);
        }
        if COMPRESSIONS.contains(&ending) {
            (_, ending) = split_ending(base);
        }
        self.0.get(&ending.strip_prefix('.')?.to_lowercase()).map(String::as_str)
    }
}

/// Splits off the ending of the last name in `path`, with its dot. Dots that begin a name begin no ending.
fn split_ending(path: &str) -> (&str, &str) {
    let name_at = path.rfind('/').map_or(0, |i| i + 1);
    let name = &path[name_at..];
    match name.rfind('.') {
        Some(dot) if name[..dot].bytes().any(|b| b != b'.') => path.split_at(name_at + dot),
        _ => (path, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_name_types_as_in_python() {
        let mut types = ContentTypes(HashMap::new());
        types.add(BUILT_IN);
        types.add("# comment\napplication/x-ours  ours mine # more\n");
        for (path, expected) in [
            ("/v1/a/c/o.TXT", Some("text/plain")),
            ("/v1/a/c/o.tar.gz", Some("application/x-tar")),
            ("/v1/a/c/o.tgz", Some("application/x-tar")),
            ("/v1/a/c/o.GZ", None),
            ("/v1/a/c.txt/o", None),
            ("/v1/a/c/.txt", None),
            ("/v1/a/c/..html", None),
            ("/v1/a/c/o.", None),
            ("/v1/a/c/o.mine", Some("application/x-ours")),
        ] {
            assert_eq!(types.guess(path), expected, "{path}");
        }
    }
}
