//! What a server makes of its file.

use super::*;
use crate::web_client;
use std::time::Instant;
use swiftlet_testing::free_port;

#[test]
fn ports_of_devices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("swift.conf"), "[swift-hash]\nswift_hash_path_suffix = s\n").unwrap();
    let file = folder.path().join("object-server.conf");
    let (dir, port) = (folder.path().display(), "bind_port = 6200\nservers_per_port = 2\n");
    std::fs::write(
        &file,
        format!("[DEFAULT]\nswift_dir = {dir}\n{port}[app:object-server]\nuse = egg:swift#object\n"),
    )
    .unwrap();
    let refused = Server::load(ServerKind::Object, &file, &Resources::default()).err().unwrap().to_string();
    assert!(refused.contains("servers_per_port: \"2\" is not built"), "{refused}");
}

#[tokio::test]
async fn tls_is_served_beside_the_plain_port() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = swiftlet_testing::self_signed(folder.path(), "tls");
    std::fs::write(folder.path().join("swift.conf"), "[swift-hash]\nswift_hash_path_suffix = s\n").unwrap();
    let (plain, secure, dir) = (free_port(), free_port(), folder.path().display());
    let file = folder.path().join("account-server.conf");
    let text = format!(
        "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {plain}\ntls_bind_port = {secure}\nswift_dir = {dir}\n\
         cert_file = {}\nkey_file = {}\n\
         [pipeline:main]\npipeline = healthcheck account-server\n[filter:healthcheck]\nuse = egg:swift#healthcheck\n\
         [app:account-server]\nuse = egg:swift#account\n",
        cert.display(),
        key.display()
    );
    std::fs::write(&file, text).unwrap();
    let server = Server::load(ServerKind::Account, &file, &Resources::default()).unwrap();
    let listener = server.listen.bind().unwrap();
    let (stop, begun) = (CancellationToken::new(), Instant::now());
    let serving = tokio::spawn(server.serve(listener, stop.clone()));
    let second = Duration::from_secs(1);
    let limits = web_client::Limits { connect_timeout: second, timeout: 10 * second, max_body_bytes: 1000 };
    let client = web_client::WebClient::new(Some(&cert), limits).unwrap();
    for url in [format!("http://127.0.0.1:{plain}"), format!("https://127.0.0.1:{secure}")] {
        let get = || {
            client.send(http::Request::get(format!("{url}/healthcheck")).body(Default::default()).unwrap())
        };
        let mut answer = get().await;
        while answer.is_err() && begun.elapsed() < 30 * second {
            tokio::time::sleep(second / 20).await;
            answer = get().await;
        }
        assert_eq!(answer.unwrap().body, "OK", "{url}");
    }
    stop.cancel();
    serving.await.unwrap().unwrap();
}
