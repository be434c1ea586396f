//! Which server holds a key: Swift's consistent hash of names, the same in every proxy.

use md5::{Digest, Md5};

/// Points of each server on the circle (`NODE_WEIGHT`).
const POINTS_PER_SERVER: usize = 50;

/// The name under which memcached knows `key`: its MD5 in hex.
pub fn hash_key(key: &str) -> String {
    hex::encode(Md5::digest(key))
}

/// Servers on a circle of MD5 sums.
pub struct ServerRing {
    points: Vec<([u8; 16], usize)>,
}

impl ServerRing {
    /// The circle of these servers; the indexes it gives are those of `servers`.
    pub fn new(servers: &[String]) -> Self {
        let mut points: Vec<([u8; 16], usize)> = Vec::with_capacity(servers.len() * POINTS_PER_SERVER);
        for (index, server) in servers.iter().enumerate() {
            let point = |i| (Md5::digest(format!("{server}-{i}")).into(), index);
            points.extend((0..POINTS_PER_SERVER).map(point));
        }
        points.sort_unstable();
        Self { points }
    }

    /// The servers for `key`, each once, the first the one to ask first.
    pub fn servers(&self, key: &str) -> impl Iterator<Item = usize> {
        let hash: [u8; 16] = Md5::digest(key).into();
        // Swift steps on once more from the first point beyond the key.
        let start = self.points.partition_point(|(point, _)| *point <= hash) + 1;
        let mut served: smallvec::SmallVec<[usize; 8]> = smallvec::SmallVec::new();
        (0..self.points.len()).filter_map(move |step| {
            let (_, server) = self.points[(start + step) % self.points.len()];
            let new = !served.contains(&server);
            new.then(|| served.push(server)).map(|()| server)
        })
    }
}
