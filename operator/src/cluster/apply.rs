//! Writing: server-side apply under one field manager, nothing that is written already, nothing that is another's.

use super::Context;
use super::build::{MANAGER, Owner};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, NamespaceResourceScope};
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Debug;

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The name is taken by something that is not this cluster's.
    #[error("{kind} {name} exists and belongs to somebody else")]
    NameTaken {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// Somebody wrote it since it was read. Another operator may lead: the pass ends.
    #[error("{kind} {name} changed since it was read")]
    Conflict {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// The API refused or did not answer.
    #[error("{verb} {kind} {name}: {source}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
}

/// What exists of a cluster, as this pass has read it: resourceVersion by kind and name.
#[derive(Default)]
pub struct Live(HashMap<(String, String), String>);

impl Live {
    /// Takes note of objects.
    pub fn add<'a, K>(&mut self, objects: impl IntoIterator<Item = &'a K>)
    where
        K: Resource<DynamicType = ()> + 'a,
    {
        let kind = K::kind(&()).into_owned();
        let entries = objects.into_iter().map(|object| {
            let version = object.meta().resource_version.clone().unwrap_or_default();
            ((kind.clone(), object.name_any()), version)
        });
        self.0.extend(entries);
    }

    /// Takes note of objects of somebody else's kind.
    pub fn add_foreign<K: ResourceExt>(&mut self, kind: &str, objects: &[K]) {
        let version = |object: &K| object.resource_version().unwrap_or_default();
        self.0.extend(objects.iter().map(|o| ((kind.to_string(), o.name_any()), version(o))));
    }

    /// The resourceVersion of an object, if it exists.
    pub fn version_of<K: Resource<DynamicType = ()>>(&self, name: &str) -> Option<&String> {
        self.0.get(&(K::kind(&()).into_owned(), name.to_string()))
    }
}

/// What was applied last. While what is asked for and what exists are still the same there is nothing to write.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<ObjectKey, Applied>>);

/// Kind, namespace and name.
type ObjectKey = (String, String, String);
/// A digest of what was asked for, and the resourceVersion it led to.
type Applied = ([u8; 32], String);

/// Writes one cluster's objects during one pass.
pub struct Applier<'a> {
    context: &'a Context,
    owner: &'a Owner,
    live: &'a Live,
}

impl<'a> Applier<'a> {
    /// Writes for `owner`, knowing that `live` exists.
    pub fn new(context: &'a Context, owner: &'a Owner, live: &'a Live) -> Applier<'a> {
        Applier { context, owner, live }
    }

    /// Whether an object of this name exists and is this cluster's.
    pub fn exists<K: Resource<DynamicType = ()>>(&self, name: &str) -> bool {
        self.live.version_of::<K>(name).is_some()
    }

    /// The names of the objects of a kind that exist and are this cluster's.
    pub fn names(&self, kind: &str) -> Vec<&String> {
        self.live.0.keys().filter(|(of, _)| of == kind).map(|(_, name)| name).collect()
    }

    /// The resourceVersion that this pass has read of an object, if it exists.
    pub fn version<K: Resource<DynamicType = ()>>(&self, name: &str) -> Option<&String> {
        self.live.version_of::<K>(name)
    }

    /// The API for one kind in the cluster's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.context.client.clone(), &self.owner.namespace)
    }

    /// Makes the object what it should be, if it is not that already.
    pub async fn apply<K>(&self, object: &K) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        self.apply_by(&self.api::<K>(), &K::kind(&()), object).await
    }

    /// The same for an object of somebody else's kind.
    pub async fn apply_foreign(&self, kind: &ApiResource, object: &DynamicObject) -> Result<(), ApplyError> {
        self.apply_by(&self.foreign_api(kind), &kind.kind, object).await
    }

    /// The API for somebody else's kind in the cluster's namespace.
    pub fn foreign_api(&self, kind: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.context.client.clone(), &self.owner.namespace, kind)
    }

    async fn apply_by<K>(&self, api: &Api<K>, kind: &str, object: &K) -> Result<(), ApplyError>
    where
        K: ResourceExt + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object.name_any();
        let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(object).unwrap_or_default()).into();
        let key = (kind.to_string(), self.owner.namespace.clone(), name.clone());
        match self.live.0.get(&(kind.to_string(), name.clone())) {
            Some(version) if self.context.applied.0.lock().get(&key) == Some(&(digest, version.clone())) => {
                return Ok(());
            }
            Some(_) => {}
            None => self.require_free(api, kind, &name).await?,
        }
        let params = PatchParams::apply(MANAGER).force();
        let written = api.patch(&name, &params, &Patch::Apply(object)).await;
        let written = written.map_err(api_error("apply", kind, &name))?;
        self.context.metrics.wrote(kind);
        self.context.applied.0.lock().insert(key, (digest, written.resource_version().unwrap_or_default()));
        Ok(())
    }

    /// What was not found among ours must not exist at all.
    async fn require_free<K>(&self, api: &Api<K>, kind: &str, name: &str) -> Result<(), ApplyError>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let found = api.get_metadata_opt(name).await.map_err(api_error("get", kind, name))?;
        match found {
            Some(found) if !self.is_ours(&found.metadata) => {
                Err(ApplyError::NameTaken { kind: kind.to_string(), name: name.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn is_ours(&self, meta: &kube::core::ObjectMeta) -> bool {
        let labels = meta.labels.clone().unwrap_or_default();
        self.owner.labels().iter().all(|(key, value)| labels.get(key) == Some(value))
            && meta.owner_references.iter().flatten().all(|owner| owner.uid == self.owner.uid())
    }

    /// Creates an object that must not exist yet.
    pub async fn create<K>(&self, object: &K) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let kind = K::kind(&()).into_owned();
        let name = object.name_any();
        let params = PostParams { field_manager: Some(MANAGER.to_string()), ..PostParams::default() };
        match self.api::<K>().create(&params, object).await {
            Ok(_) => self.context.metrics.wrote(&kind),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                return Err(ApplyError::NameTaken { kind, name });
            }
            Err(error) => return Err(api_error("create", &kind, &name)(error)),
        }
        Ok(())
    }

    /// Replaces a ConfigMap as this pass has read it, or creates it; anything in between is a conflict. Rings are
    /// written this way: of two operators that both believe to lead, one gets through.
    pub async fn replace(&self, mut object: ConfigMap) -> Result<(), ApplyError> {
        let name = object.name_any();
        let Some(version) = self.live.version_of::<ConfigMap>(&name) else {
            return self.create(&object).await;
        };
        object.metadata.resource_version = Some(version.clone());
        let params = PostParams { field_manager: Some(MANAGER.to_string()), ..PostParams::default() };
        let kind = "ConfigMap".to_string();
        match self.api::<ConfigMap>().replace(&name, &params, &object).await {
            Ok(_) => self.context.metrics.wrote(&kind),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                return Err(ApplyError::Conflict { kind, name });
            }
            Err(error) => return Err(api_error("replace", &kind, &name)(error)),
        }
        Ok(())
    }

    /// Changes one annotation, and nothing else.
    pub async fn annotate<K>(&self, name: &str, annotation: &str, value: &str) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.merge::<K>(name, &patch).await
    }

    /// Changes only the fields given.
    pub async fn merge<K>(&self, name: &str, patch: &serde_json::Value) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let kind = K::kind(&()).into_owned();
        let params = PatchParams { field_manager: Some(MANAGER.to_string()), ..PatchParams::default() };
        match self.api::<K>().patch(name, &params, &Patch::Merge(patch)).await {
            Ok(_) => self.context.metrics.wrote(&kind),
            // It went in the meantime: what comes in its place is made right by the next pass.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(api_error("patch", &kind, name)(error)),
        }
        Ok(())
    }

    /// Deletes an object, or finds it gone; with a uid, only that very one.
    pub async fn delete<K>(&self, name: &str, uid: Option<String>) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        self.delete_by(&self.api::<K>(), &K::kind(&()), name, uid).await
    }

    /// The same for an object of somebody else's kind.
    pub async fn delete_foreign(&self, kind: &ApiResource, name: &str) -> Result<(), ApplyError> {
        self.delete_by(&self.foreign_api(kind), &kind.kind, name, None).await
    }

    async fn delete_by<K>(
        &self,
        api: &Api<K>,
        kind: &str,
        name: &str,
        uid: Option<String>,
    ) -> Result<(), ApplyError>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let by_uid = uid.is_some();
        let params = DeleteParams {
            preconditions: uid.map(|uid| Preconditions { uid: Some(uid), resource_version: None }),
            ..DeleteParams::default()
        };
        match api.delete(name, &params).await {
            Ok(_) => self.context.metrics.wrote(kind),
            Err(kube::Error::Api(status)) if is_gone(status.code, by_uid) => {}
            Err(error) => return Err(api_error("delete", kind, name)(error)),
        }
        Ok(())
    }
}

/// Whether what the API answered to a deletion means that there is nothing left to delete. A conflict of a deletion by
/// uid says that another object has the name by now; any other conflict may be gone the next time.
fn is_gone(code: u16, by_uid: bool) -> bool {
    code == 404 || (code == 409 && by_uid)
}

fn api_error(verb: &'static str, kind: &str, name: &str) -> impl FnOnce(kube::Error) -> ApplyError {
    let (kind, name) = (kind.to_string(), name.to_string());
    move |source| ApplyError::Api { verb, kind, name, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_object_of_the_name_means_that_the_one_is_gone() {
        assert!(is_gone(404, false) && is_gone(404, true));
        assert!(is_gone(409, true));
        assert!(!is_gone(409, false) && !is_gone(403, true));
    }
}
