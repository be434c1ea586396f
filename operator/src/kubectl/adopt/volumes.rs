//! Which volume each device gets back.

use crate::kubectl::backup::bundle::ClaimRecord;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::ResourceExt;

/// What becomes of a device's claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is there.
    Exists,
    /// It is made again for this volume.
    Takes(Box<PersistentVolume>),
    /// Its volume is not there any more; the operator makes a new one, which replication fills.
    Missing,
    /// Its volume is another's by now.
    Taken {
        /// The volume.
        volume: String,
        /// Whose, `<namespace>/<claim>`.
        by: String,
    },
}

/// What becomes of the claim called `name` in `namespace`.
pub fn fate(
    (namespace, name): (&str, &str),
    claims: &[PersistentVolumeClaim],
    volumes: &[PersistentVolume],
    records: &[ClaimRecord],
) -> Fate {
    if claims.iter().any(|claim| claim.name_any() == name) {
        return Fate::Exists;
    }
    let reference = |volume: &PersistentVolume| {
        let reference = volume.spec.as_ref()?.claim_ref.as_ref()?;
        Some((reference.namespace.clone()?, reference.name.clone()?))
    };
    let own = (namespace.to_string(), name.to_string());
    if let Some(volume) = volumes.iter().find(|volume| reference(volume).as_ref() == Some(&own)) {
        return Fate::Takes(Box::new(volume.clone()));
    }
    // A volume that was made anew by hand, after etcd was lost, remembers nobody.
    let recorded = records.iter().find(|record| record.claim == name && !record.volume.is_empty());
    let volume = recorded.and_then(|record| volumes.iter().find(|volume| volume.name_any() == record.volume));
    match volume.map(|volume| (volume, reference(volume))) {
        None => Fate::Missing,
        Some((volume, None)) => Fate::Takes(Box::new(volume.clone())),
        Some((volume, Some((namespace, claim)))) => {
            Fate::Taken { volume: volume.name_any(), by: format!("{namespace}/{claim}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn volume(name: &str, claim: Option<(&str, &str)>) -> PersistentVolume {
        let reference = claim.map_or(
            Value::Null,
            |(namespace, name)| json!({"namespace": namespace, "name": name, "uid": "gone"}),
        );
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"claimRef": reference}})).unwrap()
    }

    fn fate_of(claims: &[&str], volumes: &[PersistentVolume]) -> Fate {
        let claim = |name: &&str| serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let claims: Vec<PersistentVolumeClaim> = claims.iter().map(claim).collect();
        let records = [ClaimRecord { claim: "d1-demo-rack1-0".into(), volume: "pv-7".into() }];
        fate(("ns", "d1-demo-rack1-0"), &claims, volumes, &records)
    }

    #[test]
    fn a_volume_comes_back_by_what_it_remembers_or_by_what_the_backup_does() {
        let own = volume("pv-1", Some(("ns", "d1-demo-rack1-0")));
        let nobodys = volume("pv-7", None);
        assert_eq!(fate_of(&["d1-demo-rack1-0"], &[own.clone()]), Fate::Exists);
        assert_eq!(fate_of(&["other"], &[nobodys.clone(), own.clone()]), Fate::Takes(Box::new(own)));
        assert_eq!(fate_of(&[], &[nobodys.clone()]), Fate::Takes(Box::new(nobodys)));
        assert_eq!(fate_of(&[], &[volume("pv-2", Some(("other", "d1-demo-rack1-0")))]), Fate::Missing);
        let taken = Fate::Taken { volume: "pv-7".into(), by: "other/data".into() };
        assert_eq!(fate_of(&[], &[volume("pv-7", Some(("other", "data")))]), taken);
    }
}
