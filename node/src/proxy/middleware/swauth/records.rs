//! What the objects of the auth account hold: users, tokens and services, in swauth's JSON.

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};
use std::io;

/// Group of an account's admins: its users' tokens carry the storage account in its place.
pub const ADMIN: &str = ".admin";
/// Group of those who may do everything in every account.
pub const RESELLER_ADMIN: &str = ".reseller_admin";

/// A group that a user is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
}

/// The object `<account>/<user>`.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// The key, as `keys` stores it.
    pub auth: String,
    /// `account:user`, `account`, and what else they are in.
    pub groups: Vec<Group>,
}

impl User {
    /// Whether the user is in the group `name`.
    pub fn is_in(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.name == name)
    }
}

/// The object of a token.
#[derive(Debug, Serialize, Deserialize)]
pub struct Token {
    pub account: String,
    pub user: String,
    pub account_id: String,
    pub groups: Vec<Group>,
    /// Seconds since 1970.
    pub expires: f64,
}

impl Token {
    /// The groups as they are checked against ACLs: `.admin` is the storage account that one is admin of.
    pub fn access_groups(&self) -> String {
        let mut groups: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
        let all = groups.len();
        groups.retain(|group| *group != ADMIN);
        if groups.len() < all {
            groups.push(&self.account_id);
        }
        groups.join(",")
    }
}

/// The object `.services` of a new account: where its storage is.
pub fn new_services(cluster: &str, url: &str) -> Value {
    json!({"storage": {"default": cluster, cluster: url}})
}

/// The URL of the default cluster in `services`.
pub fn storage_url(services: &Value) -> Option<&str> {
    let storage = services.get("storage")?;
    storage.get(storage.get("default")?.as_str()?)?.as_str()
}

/// Puts the end points of `new` (`{service: {name: value}}`) into `services`; `None` where they are not of that shape.
pub fn merge_services(services: &mut Map<String, Value>, new: &Value) -> Option<()> {
    let new = new.as_object()?;
    if !new
        .values()
        .all(|end_points| end_points.as_object().is_some_and(|e| e.values().all(Value::is_string)))
    {
        return None;
    }
    for (service, end_points) in new {
        let merged = services.entry(service).or_insert_with(|| json!({})).as_object_mut()?;
        merged.extend(end_points.as_object()?.clone());
    }
    Some(())
}

/// JSON with blanks after commas and colons, as clients of swauth have seen it ever since.
pub fn to_json(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, Spaced));
    debug_assert!(written.is_ok(), "writing to memory");
    String::from_utf8(out).unwrap_or_default()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_written_and_merged_as_swauth_does() {
        let services = new_services("local", "https://objstore.example.jp/v1/AUTH_a");
        let text = r#"{"storage": {"default": "local", "local": "https://objstore.example.jp/v1/AUTH_a"}}"#;
        assert_eq!(to_json(&services), text);
        assert_eq!(storage_url(&services), Some("https://objstore.example.jp/v1/AUTH_a"));
        let Value::Object(mut services) = services else { unreachable!("it is an object") };
        for wrong in [json!([]), json!({"storage": "x"}), json!({"storage": {"local": 1}})] {
            assert_eq!(merge_services(&mut services, &wrong), None);
        }
        let new =
            json!({"storage": {"far": "https://far/v1/AUTH_a", "default": "far"}, "servers": {"one": "x"}});
        merge_services(&mut services, &new).unwrap();
        assert_eq!(
            to_json(&services),
            r#"{"storage": {"default": "far", "local": "https://objstore.example.jp/v1/AUTH_a", "#.to_owned()
                + r#""far": "https://far/v1/AUTH_a"}, "servers": {"one": "x"}}"#
        );
    }

    #[test]
    fn admins_of_an_account_are_in_its_storage_account() {
        let groups = ["a:u", "a", ".admin", ".reseller_admin"].map(|name| Group { name: name.into() });
        let token = Token {
            account: "a".into(),
            user: "u".into(),
            account_id: "AUTH_1".into(),
            groups: groups.to_vec(),
            expires: 0.0,
        };
        assert_eq!(token.access_groups(), "a:u,a,.reseller_admin,AUTH_1");
    }
}
