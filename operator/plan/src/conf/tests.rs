use super::*;
use crate::resources::{ConfigFiles, ErasureCodingSpec, ServerPorts};
use crate::testing::cluster;
use crate::validate::{Auth, HashPath};
use swiftlet_types::conf::Ini;
use swiftlet_types::policy::PolicyKind;
use swiftlet_types::{Policies, SwiftConf};

fn node_place() -> NodePlace {
    NodePlace {
        bind_ip: "127.0.0.2".into(),
        ring_ip: "127.0.0.2".into(),
        ports: ServerPorts::default(),
        swift_dir: "/etc/swift".into(),
        devices_dir: "/srv/node".into(),
        recon_cache_dir: "/var/cache/swift".into(),
        mount_check: true,
        user: None,
    }
}

fn proxy_place() -> ProxyPlace {
    ProxyPlace {
        bind_ip: "::".into(),
        bind_port: 8080,
        tls: None,
        swift_dir: "/etc/swift".into(),
        token_key_path: None,
        user: None,
    }
}

#[test]
fn swift_conf_is_read_back_as_meant() {
    let mut cluster = cluster(3, 1);
    cluster.policies.push(crate::validate::Policy {
        index: 1,
        name: "silver".into(),
        aliases: vec!["grey".into(), "second".into()],
        default: false,
        deprecated: true,
        erasure_coding: Some(ErasureCodingSpec {
            ec_type: "isa_l_rs_vand".into(),
            data_fragments: 4,
            parity_fragments: 2,
            segment_bytes: 65536,
            duplication_factor: 2,
        }),
    });
    let hash_path = HashPath { prefix: "a%(b)s%".into(), suffix: "c%%".into() };
    let text = swift_conf(&cluster, &ConfigFiles::new(), &hash_path);
    let conf = SwiftConf::from_ini(&Ini::parse("swift.conf", &text).unwrap()).unwrap();
    assert_eq!((conf.hash.prefix, conf.hash.suffix), (b"a%(b)s%".to_vec(), b"c%%".to_vec()));
    assert_eq!(Policies::default_policy(&conf.policies).index, 0);
    assert!(text.contains("[storage-policy:1]\nname = silver\naliases = grey, second\n"), "{text}");
    let kind = PolicyKind::ErasureCoding {
        ec_type: "isa_l_rs_vand".into(),
        data_fragments: 4,
        parity_fragments: 2,
        segment_size: 65536,
        duplication_factor: 2,
    };
    assert_eq!(conf.policies.by_index(1).unwrap().kind, kind);
}

#[test]
fn later_layers_win_and_the_executor_has_the_last_word() {
    let mut cluster = cluster(3, 1);
    let option = |file: &str, section: &str, key: &str, value: &str| {
        let sections = [(section.to_string(), [(key.to_string(), value.to_string())].into())];
        (file.to_string(), sections.into())
    };
    cluster.config = [option("object-server.conf", "object-replicator", "concurrency", "2")].into();
    cluster.zones[0].config = [option("object-server.conf", "object-replicator", "concurrency", "4")].into();
    let files = node_files(&cluster, &cluster.zones[0], &node_place());
    let ini = Ini::parse("object-server.conf", &files["object-server.conf"]).unwrap();
    assert_eq!(ini.daemon("object-replicator").unwrap().str("concurrency"), Some("4"));
    assert_eq!(ini.daemon("object-auditor").unwrap().str("devices"), Some("/srv/node"));
    let other = node_files(&cluster, &cluster.zones[1], &node_place());
    let ini = Ini::parse("object-server.conf", &other["object-server.conf"]).unwrap();
    assert_eq!(ini.daemon("object-replicator").unwrap().str("concurrency"), Some("2"));
}

#[test]
fn an_option_that_default_also_has_is_written_with_set() {
    let mut cluster = cluster(3, 1);
    let text = r#"{"object-server.conf": {"DEFAULT": {"node_timeout": "3"}, "app:object-server": {"node_timeout": "11", "set slow": "1"}}}"#;
    cluster.config = serde_json::from_str(text).unwrap();
    let files = node_files(&cluster, &cluster.zones[0], &node_place());
    let text = &files["object-server.conf"];
    assert!(text.contains("\nset node_timeout = 11\n"), "{text}");
    assert!(text.contains("\nslow = 1\n"), "{text}");
}

#[test]
fn proxies_know_the_users_and_the_token_key() {
    let cluster = cluster(3, 1);
    let place = ProxyPlace { token_key_path: Some("/etc/swift/token.key".into()), ..proxy_place() };
    let text = proxy_server_conf(&cluster, &cluster.proxies[0], &place);
    assert!(text.contains("user_test_tester = testing .admin"), "{text}");
    assert!(text.contains("token_key_path = /etc/swift/token.key"), "{text}");
    assert!(!format!("{place:?}").contains("a2V5"));
}

#[test]
fn a_password_that_looks_like_interpolation_is_kept() {
    let mut cluster = cluster(3, 1);
    cluster.auth = Auth::Tempauth { users: [("user_a_b".into(), "50%%(x)s".into())].into() };
    let text = proxy_server_conf(&cluster, &cluster.proxies[0], &proxy_place());
    let ini = Ini::parse("proxy-server.conf", &text).unwrap();
    let options = ini.paste("filter:tempauth").unwrap();
    assert_eq!(options.str("user_a_b"), Some("50%%(x)s"));
}
