//! `versioned_writes`: former versions of objects are kept, in one of two ways that share a section: the legacy one
//! copies them to a container that the client names, object versioning keeps them in the reserved name space.

mod legacy;
mod object_versioning;
mod shared;

use super::{FilterError, Layer, Setup};
use crate::proxy::app::App;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::{Options, is_true};

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    // left out is a third answer: what containers say that were set up long ago then counts
    let legacy = Some(section.str_or("allow_versioned_writes", "")).filter(|told| !told.is_empty());
    let legacy = legacy.map(|told| is_true(&told));
    let object_versioning = section.bool("allow_object_versioning", false);
    if legacy == Some(true) {
        let flags = [legacy::VERSIONS_LOCATION, legacy::HISTORY_LOCATION].map(str::to_lowercase);
        setup.info.register("versioned_writes", json!({"allowed_flags": flags}));
    }
    if object_versioning {
        setup.info.register("object_versioning", json!({}));
    }
    let (constraints, policies) = (setup.constraints.clone(), setup.policies.clone());
    Ok(Box::new(move |mut next: Arc<dyn App>| {
        if object_versioning {
            next = object_versioning::filter(next, constraints.clone(), policies);
        }
        legacy::filter(next, legacy, constraints)
    }))
}

#[cfg(test)]
mod tests;
