//! Listings of versioned containers: of the newest versions as if they were plain objects, or with `?versions` of all.

use super::container::versions_path;
use super::shared::{DELETE_MARKER, Names};
use super::{NULL, ObjectVersioning, hidden, names};
use crate::http::{Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::info::container_info;
use crate::proxy::listing::{self, FORMAT_LISTING, Read, join_parameters, split_parameters};
use crate::proxy::query::Params;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_types::Timestamp;
use swiftlet_types::accept::best_match;
use swiftlet_types::conf::is_true;
use swiftlet_types::names::{quote, split_path, unquote};

/// A line of a listing.
type Entry = Map<String, Value>;

impl ObjectVersioning {
    /// The listing in `primary`, of the container itself, as clients are to see it.
    pub async fn list_container(
        &self,
        client: &ProxyRequest,
        names: &Names,
        location: &str,
        mut primary: Response,
    ) -> Result<Response, Response> {
        let mut entries = match listing::read(&mut primary).await {
            Ok(Read::Entries(entries)) => entries,
            Ok(Read::Other(body)) => return Ok(primary.with_body(body)),
            Err(error) => {
                tracing::error!("the listing of a versioned container broke off: {error}");
                return Err(Response::standard(503));
            }
        };
        let params = Params::parse(&client.http.query);
        let with_versions = params.get("versions").is_some();
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            show_newest(entry, names, location, with_versions);
        }
        if !with_versions {
            listing::write(&mut primary, entries);
            return Ok(primary);
        }
        let accept = client.http.headers.get_str("Accept").unwrap_or_default();
        if !matches!(best_match(accept, &["application/json"]), Ok(Some(_))) {
            return Err(Response::standard(406));
        }
        let merged = self.merge_versions(client, names, location, params, entries).await?;
        listing::write(&mut primary, merged);
        primary.headers.set(FORMAT_LISTING, "false");
        Ok(primary)
    }

    /// The entries of the container and of its hidden one, in one listing.
    async fn merge_versions(
        &self,
        client: &ProxyRequest,
        names: &Names,
        location: &str,
        mut params: Params,
        entries: Vec<Value>,
    ) -> Result<Vec<Value>, Response> {
        to_hidden_params(&mut params)?;
        let mut merge = Merge::of(entries);
        let is_there = container_info(&*self.next, &client.env, &names.account, location).await.status != 404;
        let mut answer = match is_there {
            true => {
                let mut get = hidden(client, Method::Get, versions_path(names, location));
                let mut asked = Params::default();
                for name in ["prefix", "marker", "limit", "delimiter", "reverse"] {
                    asked.set(name.as_bytes(), params.get(name).unwrap_or_default());
                }
                get.http.query = asked.to_query();
                Some(self.next.call(get).await)
            }
            false => None,
        };
        match &mut answer {
            Some(versions) if versions.is_success() => {
                if let Ok(Read::Entries(entries)) = listing::read(versions).await {
                    let own_path = format!("/v1/{}/{location}/", names.account);
                    merge.add_versions(entries, &own_path);
                }
            }
            Some(refused) if refused.status != 404 => {
                return Err(answer.unwrap_or_else(|| Response::standard(503)));
            }
            // the versions are gone, but not the links to them
            _ => merge.add_broken_links(),
        }
        let reverse = params.get("reverse").is_some_and(says_yes);
        Ok(sorted(merge.finish(), reverse, limit(&params, self.constraints.container_listing_limit)))
    }
}

/// Makes of a link to the newest version the entry of that version.
fn show_newest(entry: &mut Entry, names: &Names, location: &str, with_versions: bool) {
    let field = |name: &str| entry.get(name).and_then(Value::as_str);
    let (Some(path), Some(etag)) = (field("symlink_path"), field("symlink_etag")) else { return };
    let Some(size) = entry.get("symlink_bytes").cloned() else { return };
    let path = unquote(path);
    let Some(&[_, account, container, object]) = split_path(&path, 4, 4, true).as_deref() else { return };
    if container != location.as_bytes() {
        return;
    }
    let (_, parameters) = split_parameters(field("hash").unwrap_or_default());
    let hash = join_parameters(etag, parameters);
    let version = std::str::from_utf8(object).ok().and_then(names::parse_version_object);
    let link = version.filter(|_| !with_versions).map(|(object, id)| {
        let account = String::from_utf8_lossy(account);
        format!("{}?version-id={id}", quote(format!("/v1/{account}/{}/{object}", names.container)))
    });
    entry.shift_remove("symlink_bytes");
    entry.shift_remove("symlink_etag");
    entry.insert("bytes".to_owned(), size);
    entry.insert("version_symlink".to_owned(), true.into());
    entry.insert("hash".to_owned(), hash.into());
    if let Some(link) = link {
        entry.insert("symlink_path".to_owned(), link.into());
    }
}

/// Turns the parameters of a listing of versions into those of the hidden container's.
fn to_hidden_params(params: &mut Params) -> Result<(), Response> {
    let bad = |said: &'static str| Response::html(400, said);
    let text = |params: &Params, name: &str| {
        params.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let version_marker = text(params, "version_marker");
    if let Some(marker) = text(params, "marker") {
        let prefix = || names::version_prefix(&marker).ok_or_else(|| bad("invalid marker param"));
        let hidden = match version_marker.as_deref() {
            // behind every time
            None => format!("{}:", prefix()?),
            // before every time
            Some(NULL) => prefix()?,
            Some(id) => id
                .parse::<Timestamp>()
                .ok()
                .and_then(|time| names::version_object(&marker, time))
                .ok_or_else(|| bad("invalid version_marker param"))?,
        };
        params.set(b"marker", hidden);
    } else if version_marker.is_some() {
        return Err(bad("version_marker param requires marker"));
    }
    // version ids are part of the hidden names
    let of_ids = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | 0);
    if params.get("delimiter").unwrap_or_default().iter().any(of_ids) {
        return Err(bad("invalid delimiter param"));
    }
    if let Some(prefix) = text(params, "prefix") {
        if prefix.contains('\0') {
            return Err(bad("invalid prefix param"));
        }
        // no second NUL: the prefix may be but a part of a name
        params.set(b"prefix", format!("\0{prefix}"));
    }
    Ok(())
}

/// A listing of versions in the making.
#[derive(Default)]
struct Merge {
    lines: Vec<Entry>,
    subdirs: BTreeSet<String>,
    /// Objects whose newest version is known.
    known: BTreeSet<String>,
    /// Links to newest versions, by the path they lead to.
    links: BTreeMap<String, Entry>,
}

impl Merge {
    /// Begins with the listing of the container itself.
    fn of(entries: Vec<Value>) -> Self {
        let mut merge = Self::default();
        for entry in entries {
            let Value::Object(mut entry) = entry else { continue };
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            match (text("name"), text("symlink_path"), text("subdir")) {
                (Some(_), Some(path), _) if entry.contains_key("version_symlink") => {
                    let path = String::from_utf8_lossy(&unquote(path)).into_owned();
                    merge.links.insert(path, entry);
                }
                (Some(name), ..) => {
                    entry.insert("version_id".to_owned(), NULL.into());
                    entry.insert("is_latest".to_owned(), true.into());
                    merge.known.insert(name);
                    merge.lines.push(entry);
                }
                (None, _, Some(subdir)) => drop(merge.subdirs.insert(subdir)),
                _ => {}
            }
        }
        merge
    }

    fn add_versions(&mut self, entries: Vec<Value>, own_path: &str) {
        for entry in entries {
            let Value::Object(mut entry) = entry else { continue };
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            let hidden_name = text("name").to_owned();
            if hidden_name.is_empty() {
                let subdir =
                    names::split(text("subdir")).and_then(|parts| parts.first().map(|p| (*p).to_owned()));
                self.subdirs.extend(subdir);
                continue;
            }
            let Some((name, id)) = names::parse_version_object(&hidden_name) else { continue };
            let is_linked = self.links.remove(&format!("{own_path}{hidden_name}")).is_some();
            let is_latest =
                is_linked || (text("content_type") == DELETE_MARKER && !self.known.contains(&name));
            if is_latest {
                self.known.insert(name.clone());
            }
            entry.insert("is_latest".to_owned(), is_latest.into());
            entry.insert("name".to_owned(), name.into());
            entry.insert("version_id".to_owned(), id.into());
            self.lines.push(entry);
        }
    }

    fn add_broken_links(&mut self) {
        for (path, link) in std::mem::take(&mut self.links) {
            let object = path.splitn(5, '/').nth(4).unwrap_or_default();
            let Some((name, id)) = names::parse_version_object(object) else { continue };
            let is_latest = self.known.insert(name.clone());
            let mut line = Entry::new();
            line.insert("name".to_owned(), name.into());
            line.insert("is_latest".to_owned(), is_latest.into());
            line.insert("version_id".to_owned(), id.into());
            for field in ["content_type", "bytes", "hash", "last_modified"] {
                line.insert(field.to_owned(), link.get(field).cloned().unwrap_or_default());
            }
            self.lines.push(line);
        }
    }

    fn finish(self) -> Vec<Value> {
        let subdirs = self.subdirs.into_iter().map(|subdir| json!({"subdir": subdir}));
        self.lines.into_iter().map(Value::Object).chain(subdirs).collect()
    }
}

/// How many lines were asked for, as far as `most` allows.
pub fn limit(params: &Params, most: usize) -> usize {
    let told = params.get("limit").and_then(|limit| std::str::from_utf8(limit).ok()?.parse().ok());
    told.map_or(most, |told: usize| told.min(most))
}

/// Whether a parameter says yes.
pub fn says_yes(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(is_true)
}

/// The first `limit` lines by name, those of one name in the order they have.
pub fn sorted(mut entries: Vec<Value>, reverse: bool, limit: usize) -> Vec<Value> {
    fn key(entry: &Value) -> &str {
        entry.get("subdir").or(entry.get("name")).and_then(Value::as_str).unwrap_or_default()
    }
    match reverse {
        true => entries.sort_by(|a, b| key(b).cmp(key(a))),
        false => entries.sort_by(|a, b| key(a).cmp(key(b))),
    }
    entries.truncate(limit);
    entries
}
