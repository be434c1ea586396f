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
    /// Several volumes were its own once, and the backup knows none of them.
    Ambiguous {
        /// Some of them.
        volumes: Vec<String>,
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
    // Of several that remember the claim, as a replaced disk and its successor do, the backup knows the right one; and a
    // volume that was made anew by hand, after etcd was lost, remembers nobody.
    let recorded = records.iter().find(|record| record.claim == name && !record.volume.is_empty());
    let recorded =
        recorded.and_then(|record| volumes.iter().find(|volume| volume.name_any() == record.volume));
    if let Some(volume) = recorded {
        return match reference(volume) {
            Some(other) if other != own => {
                Fate::Taken { volume: volume.name_any(), by: format!("{}/{}", other.0, other.1) }
            }
            _ => Fate::Takes(Box::new(volume.clone())),
        };
    }
    let mut remember = volumes.iter().filter(|volume| reference(volume).as_ref() == Some(&own));
    match (remember.next(), remember.next()) {
        (None, _) => Fate::Missing,
        (Some(volume), None) => Fate::Takes(Box::new(volume.clone())),
        (Some(one), Some(other)) => Fate::Ambiguous { volumes: vec![one.name_any(), other.name_any()] },
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
        let known = volume("pv-7", Some(("ns", "d1-demo-rack1-0")));
        assert_eq!(fate_of(&["d1-demo-rack1-0"], std::slice::from_ref(&own)), Fate::Exists);
        assert_eq!(fate_of(&["other"], std::slice::from_ref(&own)), Fate::Takes(Box::new(own.clone())));
        assert_eq!(fate_of(&[], &[own.clone(), nobodys.clone()]), Fate::Takes(Box::new(nobodys)));
        let replaced_and_successor = [own.clone(), known.clone()];
        assert_eq!(fate_of(&[], &replaced_and_successor), Fate::Takes(Box::new(known)));
        let two = [own.clone(), volume("pv-2", Some(("ns", "d1-demo-rack1-0")))];
        assert_eq!(fate_of(&[], &two), Fate::Ambiguous { volumes: vec!["pv-1".into(), "pv-2".into()] });
        assert_eq!(fate_of(&[], &[volume("pv-2", Some(("other", "d1-demo-rack1-0")))]), Fate::Missing);
        let taken = Fate::Taken { volume: "pv-7".into(), by: "other/data".into() };
        assert_eq!(fate_of(&[], &[volume("pv-7", Some(("other", "data")))]), taken);
    }
}
