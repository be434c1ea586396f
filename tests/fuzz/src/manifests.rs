//! Manifests of clusters and zones: read, and checked where they are well formed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_plan::documents::Documents;
use swiftlet_plan::validate::validate;

fuzz_target!(|text: &str| {
    let mut documents = Documents::default();
    if documents.read("fuzz.yaml", text).is_err() {
        return;
    }
    if let Ok(desired) = documents.desired() {
        let _ = validate(&desired);
    }
});
