//! `reseller_prefix` and the options that a prefix can have of its own.

use swiftlet_types::conf::Options;

/// The reseller prefixes that a filter decides for. Never empty.
pub struct Resellers(Vec<Reseller>);

struct Reseller {
    /// With its trailing `_`, or empty: that one takes what no other does.
    prefix: String,
    /// The group that one needs beside the account's own; empty: none.
    require_group: String,
}

impl Resellers {
    /// Reads `reseller_prefix` (a list, `''` for the empty one), `require_group` and `<PREFIX>_require_group`.
    pub fn read(section: &Options) -> Self {
        let for_all = section.str_or("require_group", "").trim().to_owned();
        let mut resellers: Vec<Reseller> = Vec::new();
        let mut listed = section.list("reseller_prefix", "AUTH");
        if listed.is_empty() {
            listed.push("''".into());
        }
        for name in listed {
            let prefix = match name.as_str() {
                "''" => String::new(),
                name if name.ends_with('_') => name.into(),
                name => format!("{name}_"),
            };
            if resellers.iter().any(|reseller| reseller.prefix == prefix) {
                continue;
            }
            let option = format!("{}require_group", if prefix.is_empty() { "''" } else { &prefix });
            let own = section.str(&option).map(str::trim).filter(|group| !group.is_empty());
            resellers.push(Reseller { require_group: own.unwrap_or(&for_all).to_owned(), prefix });
        }
        Self(resellers)
    }

    /// The first prefix: that of tokens and of users' accounts.
    pub fn first(&self) -> &str {
        &self.0[0].prefix
    }

    /// The prefixes that are not empty.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|reseller| reseller.prefix.as_str()).filter(|prefix| !prefix.is_empty())
    }

    /// The prefix that `account` belongs to; an empty one takes what no other does.
    pub fn prefix_of(&self, account: &str) -> Option<&str> {
        self.reseller(account).map(|reseller| reseller.prefix.as_str())
    }

    /// The group that an admin of `account` must also be in; empty: none.
    pub fn require_group(&self, account: &str) -> &str {
        self.reseller(account).map_or("", |reseller| &reseller.require_group)
    }

    /// Neither a bare prefix nor an account whose name begins with a dot behind it.
    pub fn is_ordinary(&self, account: &str) -> bool {
        let prefix = self.prefix_of(account).unwrap_or_default();
        !self.0.iter().any(|reseller| reseller.prefix == account) && !account[prefix.len()..].starts_with('.')
    }

    fn reseller(&self, account: &str) -> Option<&Reseller> {
        let mut named = self.0.iter().filter(|reseller| !reseller.prefix.is_empty());
        let named = named.find(|reseller| account.starts_with(&reseller.prefix));
        named.or_else(|| self.0.iter().find(|reseller| reseller.prefix.is_empty()))
    }
}
