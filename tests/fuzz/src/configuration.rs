//! Configuration files: pipelines, sections, swift.conf with its policies, and the realms of container-sync.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_types::conf::Ini;
use swiftlet_types::sync_realms::Realms;
use swiftlet_types::{Policies, SwiftConf};

fuzz_target!(|text: &str| {
    let Ok(ini) = Ini::parse("fuzz.conf", text) else { return };
    let _ = ini.pipeline("proxy-server");
    for section in ini.sections() {
        let _ = ini.daemon(section);
    }
    let _ = Policies::from_ini(&ini);
    let _ = SwiftConf::from_ini(&ini);
    let _ = Realms::from_ini(&ini);
});
