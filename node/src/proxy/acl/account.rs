//! Account ACLs: JSON, version 2 of Swift's ACL formats.

use serde_json::{Map, Value};
use swiftlet_types::python;
use thiserror::Error;

const KEYS: [&str; 3] = ["admin", "read-write", "read-only"];

/// Whom an account's owner let in beside the account's own users.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AccountAcl {
    /// May do everything an owner may.
    pub admin: Vec<String>,
    /// May read and write containers and objects, and read the account.
    pub read_write: Vec<String>,
    /// May read.
    pub read_only: Vec<String>,
}

/// Why `X-Account-Access-Control` cannot be set. The texts are what Swift answers.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AccountAclError {
    /// Not a JSON object.
    #[error("Syntax error in input ({})", python::repr(.0))]
    Syntax(String),
    /// A key that grants nothing.
    #[error("Key {} not recognized", ascii_json(&Value::from(.0.as_str())))]
    UnknownKey(String),
    /// Something other than a list of users.
    #[error("Value for key \"{0}\" must be a list")]
    NotAList(&'static str),
    /// A user that is not a string.
    #[error("Elements of \"{0}\" list must be strings")]
    NotStrings(&'static str),
}

/// Checks the JSON `text` of `X-Account-Access-Control`. Empty text is right: it removes the ACL.
pub fn check_account_acl(text: &str) -> Result<(), AccountAclError> {
    let acl = parse_object(text).ok_or_else(|| AccountAclError::Syntax(text.into()))?;
    if let Some(key) = acl.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(AccountAclError::UnknownKey(key.clone()));
    }
    for key in KEYS {
        let Some(grantees) = acl.get(key) else { continue };
        let grantees = grantees.as_array().ok_or(AccountAclError::NotAList(key))?;
        if !grantees.iter().all(Value::is_string) {
            return Err(AccountAclError::NotStrings(key));
        }
    }
    Ok(())
}

/// The ACL stored as `text` (an account's `core-access-control` system metadata); `None` where it grants nothing.
pub fn parse_account_acl(text: &str) -> Option<AccountAcl> {
    let object = parse_object(text)?;
    let grantees = |key: &str| -> Vec<String> {
        let list = object.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|v| v.as_str().map(String::from)).collect()
    };
    let acl = AccountAcl {
        admin: grantees("admin"),
        read_write: grantees("read-write"),
        read_only: grantees("read-only"),
    };
    (acl != AccountAcl::default()).then_some(acl)
}

/// The stored ACL `text` as owners are shown it: ASCII JSON without blanks, keys sorted. `None` where there is
/// nothing to show.
pub fn format_account_acl(text: &str) -> Option<String> {
    let mut object = parse_object(text).filter(|object| !object.is_empty())?;
    object.sort_keys();
    Some(ascii_json(&Value::Object(object)))
}

fn parse_object(text: &str) -> Option<Map<String, Value>> {
    if text.is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}

/// Compact JSON in which everything but printable ASCII is `\uXXXX`, as a header can carry it.
fn ascii_json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c <= '~' {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_as_swift_does() {
        let text = |acl| check_account_acl(acl).unwrap_err().to_string();
        assert_eq!(text("{\"admin\": "), "Syntax error in input ('{\"admin\": ')");
        assert_eq!(text("[]"), "Syntax error in input ('[]')");
        assert_eq!(text(r#"{"other": []}"#), "Key \"other\" not recognized");
        assert_eq!(text(r#"{"admin": "bob"}"#), "Value for key \"admin\" must be a list");
        assert_eq!(text(r#"{"read-only": [1]}"#), "Elements of \"read-only\" list must be strings");
        assert_eq!(check_account_acl(""), Ok(()));
        assert_eq!(check_account_acl(r#"{"admin": ["a"], "read-write": []}"#), Ok(()));
    }

    #[test]
    fn reads_and_shows_what_is_stored() {
        let acl = parse_account_acl(r#"{"read-only": ["b:ü"], "admin": ["a"]}"#).unwrap();
        assert_eq!(
            acl,
            AccountAcl { admin: vec!["a".into()], read_only: vec!["b:ü".into()], ..Default::default() }
        );
        assert_eq!(parse_account_acl(r#"{"admin": []}"#), None);
        assert_eq!(parse_account_acl("not json"), None);
        let shown = format_account_acl(r#"{"read-only": ["b:ü😀"], "admin": ["a"]}"#).unwrap();
        assert_eq!(shown, r#"{"admin":["a"],"read-only":["b:\u00fc\ud83d\ude00"]}"#);
        assert_eq!(format_account_acl("{}"), None);
    }
}
