//! Names in a hash folder, alone and together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_storage::object::async_pending::parse_file_name;
use swiftlet_storage::object::{FileName, FileSet};

fuzz_target!(|names: &str| {
    let names: Vec<&str> = names.split('\n').take(32).collect();
    for name in &names {
        let _ = parse_file_name(name);
        if let Ok(file) = FileName::parse(name) {
            assert_eq!(file.text, *name);
        }
    }
    let set = FileSet::choose(&names);
    assert!(set.data.is_none() || set.tombstone.is_none());
    assert!(set.meta.is_none() || set.data.is_some());
});
