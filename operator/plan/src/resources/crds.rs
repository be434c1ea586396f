//! The definitions of both resources, as `crds/` holds them, and the way from kube's types to ours.

use super::{ClusterManifest, Manifest, ObjectMeta, SwiftCluster, Zone, ZoneManifest};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// Both definitions.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![SwiftCluster::crd(), Zone::crd()];
    for version in crds.iter_mut().flat_map(|crd| &mut crd.spec.versions) {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            use_known_formats(schema);
        }
    }
    crds
}

/// Renames the formats of Rust's unsigned integers, which make the API server warn, to those it knows.
fn use_known_formats(schema: &mut JSONSchemaProps) {
    match schema.format.as_deref() {
        Some("uint8" | "uint16" | "uint32" | "int8" | "int16") => schema.format = Some("int32".to_string()),
        Some("uint64" | "uint") => schema.format = Some("int64".to_string()),
        _ => {}
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| use_known_formats(property));
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => use_known_formats(items),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(use_known_formats),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        use_known_formats(values);
    }
}

impl From<&SwiftCluster> for ClusterManifest {
    fn from(cluster: &SwiftCluster) -> Self {
        let metadata = ObjectMeta::from(&cluster.metadata);
        Manifest { status: cluster.status.clone(), metadata, ..Self::cluster("", cluster.spec.clone()) }
    }
}

impl From<&Zone> for ZoneManifest {
    fn from(zone: &Zone) -> Self {
        let metadata = ObjectMeta::from(&zone.metadata);
        Manifest { status: zone.status.clone(), metadata, ..Self::zone("", zone.spec.clone()) }
    }
}

impl From<&kube::core::ObjectMeta> for ObjectMeta {
    fn from(meta: &kube::core::ObjectMeta) -> Self {
        Self {
            name: meta.name.clone().unwrap_or_default(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp.as_ref().map(|t| t.0.to_string()),
            deletion_timestamp: meta.deletion_timestamp.as_ref().map(|t| t.0.to_string()),
            labels: meta.labels.clone().unwrap_or_default(),
            annotations: meta.annotations.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// etcd refuses objects above 1.5 MiB and `kubectl apply` keeps a copy in an annotation of at most 256 KiB.
    #[test]
    fn definitions_fit_an_annotation() {
        for crd in crds() {
            let bytes = serde_json::to_vec(&crd).unwrap().len();
            assert!(bytes < 256 << 10, "{}: {bytes} bytes", crd.spec.names.plural);
        }
    }

    /// The API server estimates what CEL rules cost from these bounds, and refuses a definition without them.
    #[test]
    fn everything_is_bounded() {
        for crd in crds() {
            let json = serde_json::to_value(&crd).unwrap();
            for version in json["spec"]["versions"].as_array().unwrap() {
                check_bounds(&crd.spec.names.kind, &version["schema"]["openAPIV3Schema"]);
            }
        }
    }

    fn check_bounds(path: &str, schema: &Value) {
        let has = |keyword: &str| !schema[keyword].is_null();
        match schema["type"].as_str() {
            Some("string") => assert!(has("maxLength") || has("enum"), "{path}: no maxLength"),
            Some("array") => assert!(has("maxItems"), "{path}: no maxItems"),
            Some("object") if has("additionalProperties") => {
                assert!(has("maxProperties"), "{path}: no maxProperties")
            }
            Some("object" | "integer" | "number" | "boolean") => {}
            None if schema["x-kubernetes-int-or-string"] == true => {
                assert!(has("maxLength"), "{path}: no maxLength")
            }
            other => panic!("{path}: type {other:?} is not structural"),
        }
        if has("format") {
            let format = schema["format"].as_str().unwrap();
            assert!(["int32", "int64", "double"].contains(&format), "{path}: format {format}");
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            check_bounds(&format!("{path}.{name}"), property);
        }
        if has("items") {
            check_bounds(&format!("{path}[]"), &schema["items"]);
        }
        if schema["additionalProperties"].is_object() {
            check_bounds(&format!("{path}.*"), &schema["additionalProperties"]);
        }
    }

    #[test]
    fn rules_survive_into_the_definition() {
        let json = serde_json::to_string(&crds()).unwrap();
        for message in [
            "partPower cannot change",
            "size may only grow",
            "at most 46 characters",
            "hashPathSecretName cannot change",
        ] {
            assert!(json.contains(message), "{message}");
        }
    }
}
