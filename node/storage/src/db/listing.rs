//! Listings: names in order, within a range, rolled up at a delimiter. The walk that both kinds share.
//!
//! SQLite compares text byte by byte, and so does everything here; for UTF-8 that is the order of code points.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Rows};

/// What of a listing is asked for. Empty texts are as good as none.
#[derive(Debug, Clone, Default)]
pub struct ListingQuery {
    /// Entries at most.
    pub limit: usize,
    /// Only names after this one (before it, if reversed).
    pub marker: String,
    /// Only names before this one (after it, if reversed).
    pub end_marker: String,
    /// Only names that start with this.
    pub prefix: String,
    /// Names that contain this after the prefix are rolled up into one entry, cut after its first occurrence.
    pub delimiter: String,
    /// Objects only: the pseudo-directory whose immediate entries are wanted, instead of prefix and delimiter.
    pub path: Option<String>,
    /// From the last name to the first.
    pub reverse: bool,
    /// Whether names of the reserved name space (those that start with NUL) are shown.
    pub allow_reserved: bool,
}

/// The first name after the reserved name space.
const FIRST_UNRESERVED: &str = "\u{1}";

/// Names from `lower` (inclusive) to `upper` (exclusive).
struct Range {
    lower: String,
    upper: Upper,
}

/// The end of a range. Nothing but a blob sorts after every text in SQLite.
enum Upper {
    Before(String),
    End,
}

impl ToSql for Upper {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Before(name) => ValueRef::Text(name.as_bytes()),
            Self::End => ValueRef::Blob(&[]),
        }))
    }
}

impl Upper {
    /// The earlier of this end and `name`.
    fn or_before(self, name: &str) -> Self {
        match self {
            Self::Before(end) if end.as_str() <= name => Self::Before(end),
            _ => Self::Before(name.to_owned()),
        }
    }
}

/// The least text that is greater than every text starting with `text`; `None` where there is none.
fn after_prefix(text: &str) -> Option<String> {
    let mut chars = text.chars();
    while let Some(last) = chars.next_back() {
        // The code points between D7FF and E000 are no characters: UTF-8 goes on behind them.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            let mut after = chars.as_str().to_owned();
            after.push(next);
            return Some(after);
        }
    }
    None
}

/// An entry of the walk.
pub(super) enum Found<'a> {
    Row(&'a Row<'a>),
    Subdir(&'a str),
}

/// How a row's name, or names rolled up, continue the walk.
enum Step {
    /// The row is an entry.
    Row,
    /// The row is passed over.
    Skip,
    /// Everything under this name is one entry (or none); go on behind it.
    Jump { subdir: String, shown: bool },
}

/// How a listing is walked: the query with its texts in the form that the walk needs.
pub(super) struct Walk<'a> {
    query: &'a ListingQuery,
    prefix: String,
    delimiter: &'a str,
    path: Option<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(query: &'a ListingQuery) -> Self {
        let path = query.path.as_ref().map(|path| match path.as_str() {
            "" => String::new(),
            path => format!("{}/", path.trim_end_matches('/')),
        });
        Self {
            query,
            prefix: path.clone().unwrap_or_else(|| query.prefix.clone()),
            delimiter: if path.is_some() { "/" } else { &query.delimiter },
            path,
        }
    }

    /// Whether SQL alone gives the listing.
    fn is_plain(&self) -> bool {
        self.delimiter.is_empty()
    }

    fn lower_and_upper_markers(&self) -> (&str, &str) {
        match self.query.reverse {
            false => (&self.query.marker, &self.query.end_marker),
            true => (&self.query.end_marker, &self.query.marker),
        }
    }

    fn first_range(&self) -> Range {
        let (after, before) = self.lower_and_upper_markers();
        let mut lower = self.prefix.clone();
        if !after.is_empty() && after >= self.prefix.as_str() {
            lower = format!("{after}\0");
        }
        if !self.query.allow_reserved && lower.as_str() < FIRST_UNRESERVED {
            lower = FIRST_UNRESERVED.to_owned();
        }
        let mut upper = after_prefix(&self.prefix).map_or(Upper::End, Upper::Before);
        if !before.is_empty() {
            upper = upper.or_before(before);
        }
        Range { lower, upper }
    }

    /// Calls `emit` for each entry. `sql` selects the name first, and takes the lower and upper name and the limit
    /// as its first three parameters; `more` are the rest.
    pub(super) fn run(
        &self,
        connection: &Connection,
        sql: &str,
        more: &[&dyn ToSql],
        emit: &mut dyn FnMut(Found<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut range = self.first_range();
        let mut left = self.query.limit;
        while left > 0 {
            // the row that is `path` itself is not shown
            let limit = (left + usize::from(self.path.is_some())) as i64;
            let mut params: Vec<&dyn ToSql> = vec![&range.lower, &range.upper, &limit];
            params.extend_from_slice(more);
            let jump = self.walk(statement.query(params.as_slice())?, &mut left, emit)?;
            let Some(subdir) = jump else { break };
            match self.query.reverse {
                true => range.upper = Upper::Before(subdir),
                false => match after_prefix(&subdir) {
                    Some(next) => range.lower = next,
                    None => break,
                },
            }
        }
        Ok(())
    }

    /// Goes through rows up to the first that makes the walk jump; the name to go on behind.
    fn walk(
        &self,
        mut rows: Rows<'_>,
        left: &mut usize,
        emit: &mut dyn FnMut(Found<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Option<String>> {
        while let Some(row) = rows.next()? {
            let step = match self.is_plain() {
                true => Step::Row,
                false => self.step(row.get_ref(0)?.as_str()?),
            };
            match step {
                Step::Row => {
                    emit(Found::Row(row))?;
                    *left -= 1;
                }
                Step::Skip => {}
                Step::Jump { subdir, shown } => {
                    if shown {
                        emit(Found::Subdir(&subdir))?;
                        *left -= 1;
                    }
                    return Ok(Some(subdir));
                }
            }
            if *left == 0 {
                break;
            }
        }
        Ok(None)
    }

    fn step(&self, name: &str) -> Step {
        if self.path.as_deref() == Some(name) {
            return Step::Skip;
        }
        let rest = name.get(self.prefix.len()..).unwrap_or_default();
        let Some(at) = rest.find(self.delimiter) else { return Step::Row };
        let end = self.prefix.len() + at + self.delimiter.len();
        if self.path.is_some() {
            // Under `path` a name ending in the delimiter is an entry itself, and deeper ones are not shown.
            return match end == name.len() {
                true => Step::Row,
                false => Step::Jump { subdir: name[..end].to_owned(), shown: false },
            };
        }
        // A listing that goes on after a rolled-up name does not show it again.
        let (after, _) = self.lower_and_upper_markers();
        Step::Jump { subdir: name[..end].to_owned(), shown: &name[..end] != after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(names: &[&str], query: &ListingQuery) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (name TEXT PRIMARY KEY)").unwrap();
        for name in names {
            connection.execute("INSERT OR IGNORE INTO t VALUES (?1)", [name]).unwrap();
        }
        let order = if query.reverse { "DESC" } else { "ASC" };
        let sql = format!("SELECT name FROM t WHERE name >= ?1 AND name < ?2 ORDER BY name {order} LIMIT ?3");
        let mut seen = Vec::new();
        let mut emit = |found: Found<'_>| {
            seen.push(match found {
                Found::Row(row) => row.get(0)?,
                Found::Subdir(name) => format!("{name}*"),
            });
            Ok(())
        };
        Walk::new(query).run(&connection, &sql, &[], &mut emit).unwrap();
        seen
    }

    fn query() -> ListingQuery {
        ListingQuery { limit: 100, ..ListingQuery::default() }
    }

    const NAMES: [&str; 8] = ["a", "p/", "p/1", "p/a/x", "p/a/y", "p/a0", "p/b/", "q"];

    #[test]
    fn delimiters_roll_up_after_the_prefix() {
        let by_slash = ListingQuery { delimiter: "/".into(), ..query() };
        assert_eq!(list(&NAMES, &by_slash), ["a", "p/*", "q"]);
        let in_p = ListingQuery { prefix: "p/".into(), ..by_slash.clone() };
        assert_eq!(list(&NAMES, &in_p), ["p/", "p/1", "p/a/*", "p/a0", "p/b/*"]);
        let reversed = ListingQuery { reverse: true, ..in_p.clone() };
        assert_eq!(list(&NAMES, &reversed), ["p/b/*", "p/a0", "p/a/*", "p/1", "p/"]);
        let on = ListingQuery { marker: "p/a/".into(), limit: 2, ..in_p };
        assert_eq!(list(&NAMES, &on), ["p/a0", "p/b/*"]);
        let long = ListingQuery { delimiter: "--".into(), ..query() };
        assert_eq!(list(&["a-b", "a--1", "a--2", "a-.", "b"], &long), ["a--*", "a-.", "a-b", "b"]);
    }

    #[test]
    fn paths_show_their_immediate_entries() {
        let in_p = ListingQuery { path: Some("p".into()), ..query() };
        assert_eq!(list(&NAMES, &in_p), ["p/1", "p/a0", "p/b/"]);
        assert_eq!(list(&NAMES, &ListingQuery { path: Some(String::new()), ..query() }), ["a", "p/", "q"]);
        assert_eq!(list(&NAMES, &ListingQuery { limit: 1, ..in_p }), ["p/1"]);
    }

    #[test]
    fn the_last_code_points_are_not_lost() {
        let names = ["\u{10ffff}", "\u{10ffff}a", "\u{d7ff}x", "\u{e000}"];
        let prefixed = |prefix: &str| list(&names, &ListingQuery { prefix: prefix.into(), ..query() });
        assert_eq!(prefixed("\u{10ffff}"), ["\u{10ffff}", "\u{10ffff}a"]);
        assert_eq!(prefixed("\u{d7ff}"), ["\u{d7ff}x"]);
        let delimited = ListingQuery { delimiter: "\u{10ffff}".into(), ..query() };
        assert_eq!(list(&names, &delimited), ["\u{d7ff}x", "\u{e000}", "\u{10ffff}*"]);
    }

    #[test]
    fn reserved_names_are_hidden_unless_allowed() {
        let names = ["\0versions\0c", "c"];
        assert_eq!(list(&names, &query()), ["c"]);
        assert_eq!(list(&names, &ListingQuery { allow_reserved: true, ..query() }), names);
    }

    /// The listing by its definition: filter, roll up, order.
    fn by_definition(names: &[String], query: &ListingQuery) -> Vec<String> {
        let (after, before) = match query.reverse {
            false => (&query.marker, &query.end_marker),
            true => (&query.end_marker, &query.marker),
        };
        let mut names: Vec<_> = names.to_vec();
        names.sort();
        names.dedup();
        names.retain(|name| {
            name.starts_with(&query.prefix) && name > after && (before.is_empty() || name < before)
        });
        let mut entries = Vec::new();
        for name in names {
            let rest = &name[query.prefix.len()..];
            let entry = match rest.find(&query.delimiter).filter(|_| !query.delimiter.is_empty()) {
                None => name,
                Some(at) => {
                    let subdir = &name[..query.prefix.len() + at + query.delimiter.len()];
                    if subdir == after {
                        continue;
                    }
                    format!("{subdir}*")
                }
            };
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        if query.reverse {
            entries.reverse();
        }
        entries.truncate(query.limit);
        entries
    }

    proptest! {
        #[test]
        fn equals_its_definition(
            names in prop::collection::vec("[ab/]{1,5}", 0..30),
            prefix in "[ab/]{0,2}", delimiter in "(|/|a|//)", marker in "[ab/]{0,3}", end_marker in "[ab/]{0,3}",
            reverse: bool, limit in 1usize..20,
        ) {
            let query = ListingQuery { limit, marker, end_marker, prefix, delimiter, reverse, ..ListingQuery::default() };
            let refs: Vec<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(list(&refs, &query), by_definition(&names, &query));
        }
    }
}
