//! The part of paste.deploy that Swift's files use: pipelines of filters in front of an app.

use super::{ConfError, Ini, Options};
use std::collections::BTreeMap;
use std::path::Path;

/// How far `use = other` may lead.
const MAX_USES: usize = 8;

/// A section of a pipeline, and what answers for it.
#[derive(Debug, Clone)]
pub struct Factory {
    /// The word in the pipeline: the section's name without its kind.
    pub name: String,
    /// The entry point: `tempauth` for `use = egg:swift#tempauth`. For `paste.filter_factory =
    /// swift.common.middleware.x:filter_factory` it is `x`.
    pub entry_point: String,
    /// Its options.
    pub options: Options,
}

/// What `[pipeline:main]` says.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The filters, outermost first.
    pub filters: Vec<Factory>,
    /// The app at the end.
    pub app: Factory,
}

impl Ini {
    /// The options of a section as paste.deploy reads them: an option that `[DEFAULT]` has too loses to it
    /// unless it is written `set option = v`; `get option = other` copies one of `[DEFAULT]`.
    pub fn paste(&self, section: &str) -> Result<Options, ConfError> {
        let own = self.own(section).ok_or_else(|| self.no_section(section))?;
        let mut merged = self.defaults().clone();
        let mut own_keys = Vec::new();
        for (key, value) in own {
            if let Some(key) = key.strip_prefix("set ").map(str::trim) {
                merged.insert(key.to_owned(), value.clone());
                own_keys.push(key);
            } else if let Some(key) = key.strip_prefix("get ").map(str::trim) {
                let copied = self.defaults().get(value).ok_or_else(|| {
                    self.paste_error(section, format!("get {key} = {value}: [DEFAULT] has no {value}"))
                })?;
                merged.insert(key.to_owned(), copied.clone());
                own_keys.push(key);
            } else if !self.defaults().contains_key(key) {
                merged.insert(key.clone(), value.clone());
                own_keys.push(key);
            }
        }
        self.options(section, &merged, |key| own_keys.contains(&key))
    }

    /// `[pipeline:main]` with every word resolved, or the app `name` alone where there is no pipeline.
    pub fn pipeline(&self, app: &str) -> Result<Pipeline, ConfError> {
        if !self.has_section("pipeline:main") {
            return Ok(Pipeline { filters: Vec::new(), app: self.factory("app", app)? });
        }
        let words = self.daemon("pipeline:main")?.words("pipeline", "");
        let Some((last, filters)) = words.split_last() else {
            return Err(self.paste_error("pipeline:main", "pipeline: names no app".to_owned()));
        };
        Ok(Pipeline {
            filters: filters.iter().map(|word| self.factory("filter", word)).collect::<Result<_, _>>()?,
            app: self.factory("app", last)?,
        })
    }

    /// The section `[kind:name]`, and what its `use` leads to.
    pub fn factory(&self, kind: &str, name: &str) -> Result<Factory, ConfError> {
        self.resolve(kind, name, name, MAX_USES)
    }

    fn resolve(&self, kind: &str, word: &str, name: &str, depth: usize) -> Result<Factory, ConfError> {
        let section = format!("{kind}:{name}");
        let options = match self.paste(&section) {
            Err(ConfError::NoSection { .. }) => {
                let why = format!("names {name}, but there is no [{section}]");
                return Err(self.paste_error("pipeline:main", why));
            }
            other => other?,
        };
        let factory_key = format!("paste.{kind}_factory");
        if let Some(callable) = options.str(&factory_key) {
            let module = callable.split(':').next().unwrap_or_default();
            let entry_point = module.rsplit('.').next().unwrap_or_default().to_owned();
            return Ok(Factory { name: word.to_owned(), entry_point, options });
        }
        let Some(target) = options.str("use").map(str::to_owned) else {
            return Err(self.paste_error(&section, format!("has neither `use` nor `{factory_key}`")));
        };
        if let Some(egg) = target.strip_prefix("egg:") {
            let (package, entry_point) = egg.split_once('#').unwrap_or((egg, "main"));
            if !["swift", "swiftlet", "swauth"].contains(&package.trim()) {
                let why =
                    format!("use = {target}: there is no package {package}; egg:swift#NAME would be right");
                return Err(self.paste_error(&section, why));
            }
            return Ok(Factory {
                name: word.to_owned(),
                entry_point: entry_point.trim().to_owned(),
                options,
            });
        }
        if depth == 0 {
            return Err(self.paste_error(&section, format!("use = {target}: leads round in a circle")));
        }
        let base = match target.strip_prefix("config:") {
            None => self.resolve(kind, word, &target, depth - 1)?,
            Some(reference) => {
                let (file, name) = reference.split_once('#').unwrap_or((reference, "main"));
                let folder = self.path().parent().unwrap_or(Path::new("."));
                Self::read(folder.join(file))?.resolve(kind, word, name, depth - 1)?
            }
        };
        Ok(Factory { options: overlay(base.options, &options), ..base })
    }

    fn paste_error(&self, section: &str, why: String) -> ConfError {
        ConfError::Paste { path: self.path().to_owned(), section: section.to_owned(), why }
    }
}

/// `base` with what the section that uses it says on top.
fn overlay(base: Options, top: &Options) -> Options {
    let own: BTreeMap<&str, &str> = top.iter().filter(|(key, _)| *key != "use").collect();
    own.into_iter().fold(base, |options, (key, value)| options.with(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "[DEFAULT]\nnode_timeout = 3\n[pipeline:main]\npipeline = auth cache proxy-server\n\
        [app:proxy-server]\nuse = egg:swift#proxy\nnode_timeout = 11\nset conn_timeout = 2\n\
        [filter:auth]\npaste.filter_factory = swift.common.middleware.tempauth:filter_factory\nset node_timeout = 5\n\
        [filter:cache]\nuse = other\nb = 2\n[filter:other]\nuse = egg:swift#memcache\na = 1\nb = 1\n";

    #[test]
    fn default_wins_unless_set() {
        let pipeline = Ini::parse("p.conf", PROXY).unwrap().pipeline("proxy-server").unwrap();
        assert_eq!(pipeline.app.entry_point, "proxy");
        assert_eq!(pipeline.app.options.str("node_timeout"), Some("3"));
        assert_eq!(pipeline.app.options.str("conn_timeout"), Some("2"));
        assert_eq!(pipeline.filters[0].entry_point, "tempauth");
        assert_eq!(pipeline.filters[0].options.str("node_timeout"), Some("5"));
    }

    #[test]
    fn use_leads_to_other_sections() {
        let pipeline = Ini::parse("p.conf", PROXY).unwrap().pipeline("proxy-server").unwrap();
        let cache = &pipeline.filters[1];
        assert_eq!((cache.name.as_str(), cache.entry_point.as_str()), ("cache", "memcache"));
        assert_eq!((cache.options.str("a"), cache.options.str("b")), (Some("1"), Some("2")));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("[pipeline:main]\npipeline = x\n", "p.conf [pipeline:main]: names x, but there is no [app:x]"),
            ("[pipeline:main]\npipeline =\n", "p.conf [pipeline:main]: pipeline: names no app"),
            ("[app:x]\na = 1\n", "p.conf [app:x]: has neither `use` nor `paste.app_factory`"),
            ("[app:x]\nuse = x\n", "p.conf [app:x]: use = x: leads round in a circle"),
            (
                "[app:x]\nuse = egg:other#y\n",
                "p.conf [app:x]: use = egg:other#y: there is no package other; egg:swift#NAME would be right",
            ),
        ] {
            let error = Ini::parse("p.conf", text).unwrap().pipeline("x").expect_err(text);
            assert_eq!(error.to_string(), why);
        }
    }
}
