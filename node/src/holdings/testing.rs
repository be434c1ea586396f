//! A node in a folder, for tests of what counts and of who asks.

use super::StorageNode;
use std::path::PathBuf;
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_ring::{Device, DeviceIds, RingData};

/// A node with the devices d1 and d2, which the rings call node-0.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// With this in `swift.conf` beside the hash path.
    pub fn new(swift_conf: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let at = |name: &str| folder.at(name).display().to_string();
        folder.write(
            "etc/swift.conf",
            &format!("[swift-hash]\nswift_hash_path_suffix = changeme\n{swift_conf}"),
        );
        for (server, port) in [("account", 6202), ("container", 6201), ("object", 6200)] {
            let text = format!(
                "[DEFAULT]\nring_ip = node-0\nbind_port = {port}\nmount_check = false\nswift_dir = {}\ndevices = {}\nrecon_cache_path = {}\n",
                at("etc"),
                at("srv"),
                at("cache"),
            );
            folder.write(&format!("etc/{server}-server.conf"), &text);
        }
        for device in ["d1", "d2"] {
            std::fs::create_dir_all(folder.at("srv").join(device)).unwrap();
        }
        folder
    }

    /// A path in it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes a file in it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Rings of 4 partitions, which lie on these devices: 0 and 2 are d1 and d2 of node-0, 1 is another node's.
    pub fn rings_with(&self, assigned: [u32; 4]) {
        for (ring, port) in [("account", 6202), ("container", 6201), ("object", 6200)] {
            self.ring(ring, port, assigned);
        }
    }

    fn ring(&self, name: &str, port: u16, assigned: [u32; 4]) {
        let device = |id: u32, host: &str, device: &str| {
            Some(Device {
                device: device.into(),
                id,
                ip: host.into(),
                meta: String::new(),
                port,
                region: 1,
                replication_ip: host.into(),
                replication_port: port,
                weight: 1.0,
                zone: 1,
            })
        };
        let data = RingData {
            part_power: 2,
            devices: vec![device(0, "node-0", "d1"), device(1, "node-1", "d1"), device(2, "node-0", "d2")],
            assignments: vec![DeviceIds::collect(2, assigned.into_iter())],
            version: Some(1),
            next_part_power: None,
        };
        let bytes = format::write(&data, FormatVersion::V1).unwrap();
        format::replace_file(&self.at(&format!("etc/{name}.ring.gz")), &bytes).unwrap();
    }

    /// The node.
    pub fn node(&self) -> StorageNode {
        StorageNode::from_files(|server| self.at(&format!("etc/{server}.conf"))).unwrap()
    }
}
