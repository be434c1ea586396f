//! One PersistentVolumeClaim a device. It has no owner: data outlives whoever asked for it.

use super::{Owner, REPLACEMENT_ANNOTATION, node_labels};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;
use swiftlet_plan::validate::ValidatedDevice;

/// Label with the device's name.
pub const DEVICE_LABEL: &str = "swiftlet.io/device";

/// `<device>-<cluster>-<zone>-<n>`.
pub fn name(device: &str, node: &str) -> String {
    format!("{device}-{node}")
}

/// The claim of a device.
pub fn claim(owner: &Owner, zone: &str, node: &str, device: &ValidatedDevice) -> PersistentVolumeClaim {
    let mut labels = node_labels(owner, zone, node);
    labels.insert(DEVICE_LABEL.to_string(), device.name.clone());
    let mut metadata = owner.outliving(&name(&device.name, node), labels);
    let replaced = (device.replacement > 0)
        .then(|| BTreeMap::from([(REPLACEMENT_ANNOTATION.to_string(), device.replacement.to_string())]));
    metadata.annotations = replaced;
    let requests = BTreeMap::from([("storage".to_string(), Quantity(device.size.clone()))]);
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_string()]),
            storage_class_name: device.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
