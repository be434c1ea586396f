use super::*;
use swiftlet_types::conf::Options;

struct Nothing;

#[async_trait]
impl Service for Nothing {
    async fn call(&self, _request: Request) -> Response {
        Response::new(299)
    }
}

fn recon(root: &std::path::Path) -> Recon {
    let options = Options::new("object-server.conf", "filter:recon")
        .with("devices", &root.join("srv").display().to_string())
        .with("swift_dir", &root.display().to_string())
        .with("recon_cache_path", &root.display().to_string())
        .with("mount_check", "false");
    Recon::new(Arc::new(Nothing), &options, &Policies::default())
}

async fn get(recon: &Recon, path: &'static str) -> (u16, String) {
    let mut response = recon.call(Request::new(Method::Get, path)).await;
    let body = response.body.read_all(1 << 20).await.unwrap();
    (response.status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn tells_what_disks_and_caches_hold() {
    let root = tempfile::tempdir().unwrap();
    for dir in [
        "srv/sda/quarantined/objects-1/a",
        "srv/sda/quarantined/objects-1/b",
        "srv/sdb/quarantined/containers/c",
    ] {
        std::fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    std::fs::write(root.path().join("object.recon"), r#"{"async_pending":3,"other":1}"#).unwrap();
    std::fs::write(root.path().join("swift.conf"), "abc").unwrap();
    std::fs::write(root.path().join("object.ring.gz"), "").unwrap();
    let recon = recon(root.path());
    let name = |file: &str| root.path().join(file).display().to_string();
    let want = r#"{"async_pending":3,"async_pending_last":null}"#;
    assert_eq!(get(&recon, "/recon/async").await, (200, want.into()));
    let want = r#"{"replication_time":null,"replication_stats":null,"replication_last":null}"#;
    assert_eq!(get(&recon, "/recon/replication/account").await, (200, want.into()));
    let want = r#"{"objects":2,"containers":1,"accounts":0,"policies":{"1":{"objects":2}}}"#;
    assert_eq!(get(&recon, "/recon/quarantined").await, (200, want.into()));
    let want = format!(r#"{{"{}":["sda","sdb"]}}"#, name("srv"));
    assert_eq!(get(&recon, "/recon/devices").await, (200, want));
    let want = format!(r#"{{"{}":"900150983cd24fb0d6963f7d28e17f72"}}"#, name("swift.conf"));
    assert_eq!(get(&recon, "/recon/swiftconfmd5").await, (200, want));
    let want = format!(r#"{{"{}":"d41d8cd98f00b204e9800998ecf8427e"}}"#, name("object.ring.gz"));
    assert_eq!(get(&recon, "/recon/ringmd5").await, (200, want));
    assert_eq!(get(&recon, "/recon/unmounted").await, (200, "[]".into()));
    let (_, usage) = get(&recon, "/recon/diskusage").await;
    assert!(usage.starts_with(r#"[{"device":"sda","mounted":true,"size":"#), "{usage}");
}

#[tokio::test]
async fn tells_about_the_machine() {
    let recon = recon(std::path::Path::new("/nowhere"));
    for (path, word) in [
        ("/recon/mem", "\"MemTotal\":\""),
        ("/recon/load", "\"15m\":"),
        ("/recon/mounted", "\"path\":\"/\""),
        ("/recon/sockstat", "\"tcp_in_use\":"),
        ("/recon/version", "\"version\":\""),
    ] {
        let (status, body) = get(&recon, path).await;
        assert!(status == 200 && body.contains(word), "{path}: {status} {body}");
    }
    let (_, time) = get(&recon, "/recon/time").await;
    assert!(time.parse::<f64>().unwrap() > 1.7e9);
}

#[tokio::test]
async fn unknown_paths_and_other_requests() {
    let recon = recon(std::path::Path::new("/nowhere"));
    assert_eq!(get(&recon, "/recon/nothing").await, (404, "Invalid path: /recon/nothing".into()));
    assert_eq!(get(&recon, "/recon/unmounted").await.0, 500);
    assert_eq!(get(&recon, "/sda/0/a").await.0, 299);
}
