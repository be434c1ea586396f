//! A cluster with a policy whose objects are kept in fragments.

use super::*;
use std::path::Path;

const CODED: &str = "    - index: 1
      name: silver
      type: erasureCoding
      erasureCoding: {ecType: liberasurecode_rs_vand, dataFragments: 4, parityFragments: 2, segmentBytes: 65536}
";

/// The `.data` files below `folder`.
fn data_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => data_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "data"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_fragments_is_read_from_those_that_are_left() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let coded = |text: String| text.replacen("    - {index: 1, name: silver}\n", CODED, 1);
    let options = options(folder.path(), manifest(folder.path(), coded));
    let cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    let mut container = Request::new(Method::Put, "/v1/AUTH_test/coded");
    container.headers.set("X-Storage-Policy", "silver");
    assert_eq!(user.send(container).await.status, 201);
    let body: &[u8] = vec![b'x'; 300_000].leak();
    assert_eq!(user.put("coded/cat", body).await, 201);

    let ring = SharedRing::load(options.data.join("etc/object-1.ring.gz")).unwrap().get();
    assert_eq!(ring.replica_count(), 6.0);
    let fragments = data_files(&options.data);
    assert_eq!(fragments.len(), 6, "one on each device: {fragments:?}");
    for lost in &fragments[..2] {
        assert!(
            lost.to_string_lossy().contains("/objects-1/") && lost.to_string_lossy().contains("#"),
            "{lost:?}"
        );
        std::fs::remove_file(lost).unwrap();
    }
    assert_eq!(user.get("coded/cat").await, (200, body.to_vec()));
    cluster.stop().await;
}
