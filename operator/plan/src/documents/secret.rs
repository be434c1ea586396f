//! A Kubernetes Secret as manifests hold it: `data` in base64, `stringData` as it is.

use crate::resources::ObjectMeta;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A Secret. Its values are never printed.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Always `v1`.
    pub api_version: String,
    /// Always `Secret`.
    pub kind: String,
    /// Its name.
    pub metadata: ObjectMeta,
    /// What kind of values it holds; nothing depends on it.
    #[serde(rename = "type", default)]
    pub type_: Option<String>,
    /// Whether Kubernetes lets it change; nothing depends on it.
    #[serde(default)]
    pub immutable: Option<bool>,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    string_data: BTreeMap<String, String>,
}

impl Secret {
    /// Its values as text; `stringData` wins over `data`, as in Kubernetes. The error names the field.
    pub fn values(&self) -> Result<BTreeMap<String, String>, String> {
        let mut values = BTreeMap::new();
        for (key, encoded) in &self.data {
            let bytes = BASE64_STANDARD
                .decode(encoded.trim())
                .map_err(|_| format!("data.{key}: it is not base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| format!("data.{key}: it is not UTF-8 text"))?;
            values.insert(key.clone(), text);
        }
        values.extend(self.string_data.clone());
        Ok(values)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.data.keys().chain(self.string_data.keys()).collect();
        f.debug_struct("Secret")
            .field("name", &self.metadata.name)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}
