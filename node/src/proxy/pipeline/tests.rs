use super::super::middleware::tests::{Fake, get, text};
use super::*;

#[test]
fn what_is_missing_goes_where_swift_puts_it() {
    for (given, complete) in [
        (
            "memcache tempauth",
            "catch_errors gatekeeper memcache listing_formats tempauth copy dlo versioned_writes",
        ),
        (
            "healthcheck catch_errors proxy_logging memcache tempauth bulk slo proxy_logging",
            "gatekeeper healthcheck catch_errors proxy_logging memcache listing_formats tempauth copy dlo bulk slo \
             versioned_writes proxy_logging",
        ),
        ("", "catch_errors gatekeeper listing_formats copy dlo versioned_writes"),
        (
            "catch_errors healthcheck",
            "catch_errors gatekeeper listing_formats copy dlo versioned_writes healthcheck",
        ),
    ] {
        let mut pipeline: Vec<&str> = given.split_whitespace().collect();
        missing(&mut pipeline);
        assert_eq!(pipeline.join(" "), complete.split_whitespace().collect::<Vec<_>>().join(" "), "{given}");
    }
}

const SECTIONS: &str = "[app:proxy-server]\nuse = egg:swift#proxy\n[filter:cache]\nuse = egg:swift#memcache\n\
    [filter:tempauth]\npaste.filter_factory = swift.common.middleware.tempauth:filter_factory\n\
    user_test_tester = testing .admin\n[filter:x]\nuse = egg:swift#";

fn loaded(defaults: &str, pipeline: &str, more: &str) -> Result<Loaded, PipelineError> {
    let text = format!(
        "[DEFAULT]\nswift_dir = /nowhere\n{defaults}[pipeline:main]\npipeline = {pipeline} proxy-server\n{SECTIONS}{more}"
    );
    let conf = Ini::parse("proxy-server.conf", &text).unwrap();
    let config = ProxyConfig::from_options(&conf.paste("app:proxy-server").unwrap()).unwrap();
    let end = EndOfPipeline {
        content_types: Arc::default(),
        expirer_queue: Arc::default(),
        app: Arc::new(Fake::status(404)),
        config: &config,
        swift_section: serde_json::json!({"version": "2.38.3"}),
        constraints: Arc::default(),
        policies: Arc::default(),
        placement: None,
    };
    load(&conf, end)
}

#[tokio::test]
async fn builds_what_the_file_says() {
    let loaded = loaded("trans_id_suffix = -here\n", "cache tempauth", "healthcheck\n").unwrap();
    let words = "catch_errors gatekeeper cache listing_formats tempauth copy dlo versioned_writes";
    assert_eq!(loaded.words.join(" "), words);
    assert_eq!(loaded.warnings, [""; 0]);

    let response = loaded.app.call(get("/info")).await;
    assert!(
        response.headers.get_str("X-Trans-Id").unwrap().ends_with("-here"),
        "[DEFAULT] reaches what is put in"
    );
    let (_, info) = text(response).await;
    assert_eq!(info, r#"{"swift":{"version":"2.38.3"},"tempauth":{"account_acls":true}}"#);
    assert_eq!(loaded.app.call(get("/v1/AUTH_test/c/o")).await.status, 404);
}

#[test]
fn object_versioning_needs_symlinks() {
    let versions = |pipeline: &str| {
        let section =
            "versioned_writes\nallow_object_versioning = true\n[filter:symlink]\nuse = egg:swift#symlink\n";
        loaded("", pipeline, section).map(|loaded| loaded.words).map_err(|error| error.to_string())
    };
    let refused = "filter x: object_versioning needs the filter symlink in the pipeline";
    assert_eq!(versions("x"), Err(refused.to_owned()));
    assert!(versions("x symlink").is_ok());
}

#[test]
fn says_what_is_wrong() {
    let error = |more: &str| loaded("", "cache x", more).err().unwrap().to_string();
    assert_eq!(
        error("encryption\n"),
        "proxy-server.conf [filter:x]: the filter encryption is not yet built; take x out of the pipeline"
    );
    assert_eq!(
        error("tempaut\n"),
        "proxy-server.conf [filter:x]: there is no filter \"tempaut\"; use = egg:swift#tempauth would be right"
    );
    let profiler = error("xprofile\n");
    assert!(
        profiler.starts_with("proxy-server.conf [filter:x]: xprofile profiles Python code"),
        "{profiler}"
    );
    assert!(profiler.ends_with("take x out of the pipeline"), "{profiler}");
    assert!(error("nothing_like_it\n").contains("there are account_quotas, bulk, catch_errors, "));
    assert_eq!(
        error("copy\nyield_frequency = often\n"),
        "filter x: proxy-server.conf [filter:x] yield_frequency: \"often\" is not a whole number in its range"
    );
    assert!(loaded("", "cache y", "copy\n").err().unwrap().to_string().contains("there is no [filter:y]"));
}

#[test]
fn unknown_options_are_warnings() {
    let loaded = loaded("", "cache x", "healthcheck\ndisable_paht = /x\n").unwrap();
    assert_eq!(loaded.warnings, ["proxy-server.conf [filter:x] disable_paht: no such option, ignored"]);
}

#[test]
fn options_of_dlo_may_stand_where_they_once_did() {
    let dlo_of = |app: &str, filter: &str| {
        let text = format!(
            "[DEFAULT]\n[pipeline:main]\npipeline = dlo proxy-server\n[app:proxy-server]\nuse = egg:swift#proxy\n{app}\
             [filter:dlo]\nuse = egg:swift#dlo\n{filter}"
        );
        let mut pipeline = Ini::parse("p.conf", &text).unwrap().pipeline("proxy-server").unwrap();
        take_over_dlo_options(&mut pipeline.filters, &pipeline.app.options);
        let options = &pipeline.filters[0].options;
        OLD_DLO_OPTIONS.map(|option| options.str(option).map(str::to_owned))
    };
    let some = |value: &str| Some(value.to_owned());
    let old = "rate_limit_after_segment = 3\nmax_get_time = 60\n";
    assert_eq!(dlo_of(old, ""), [some("3"), None, some("60")]);
    // any of its own, and the old ones no longer count
    assert_eq!(dlo_of(old, "rate_limit_segments_per_sec = 2\n"), [None, some("2"), None]);
    assert_eq!(dlo_of("", ""), [None, None, None]);
}

#[test]
fn a_filter_without_which_nothing_is_stored_otherwise_is_passed_over() {
    let loaded = loaded("", "cache x", "s3api\ns3_acl = yes\n").unwrap();
    assert!(!loaded.words.iter().any(|word| word == "x"));
    assert_eq!(
        loaded.warnings,
        [
            "proxy-server.conf [filter:x]: the filter s3api is not yet built and does nothing: its requests are refused"
        ]
    );
}

/// What needs rings, a service or a `swift.conf` has tests of its own.
#[tokio::test]
async fn every_filter_that_is_built_can_stand_in_a_pipeline() {
    let alone = ["external_auth", "list_endpoints", "swauth", "memcache", "tempauth"];
    let words: Vec<&str> = FILTERS
        .iter()
        .filter(|(name, support)| matches!(support, Built(_)) && !alone.contains(name))
        .map(|(name, _)| *name)
        .collect();
    let sections: String =
        words.iter().map(|word| format!("[filter:{word}]\nuse = egg:swift#{word}\n")).collect();
    let loaded =
        loaded("", &format!("cache tempauth {}", words.join(" ")), &format!("copy\n{sections}")).unwrap();
    assert!(words.iter().all(|word| loaded.words.iter().any(|there| there == word)), "{:?}", loaded.words);
    let not_built: Vec<&str> =
        FILTERS.iter().filter(|(_, support)| !matches!(support, Built(_))).map(|(name, _)| *name).collect();
    assert_eq!(
        not_built,
        [
            "backend_ratelimit",
            "encryption",
            "keymaster",
            "keystoneauth",
            "kmip_keymaster",
            "kms_keymaster",
            "s3api",
            "s3token"
        ]
    );
}

#[test]
fn knows_every_filter_of_swift() {
    assert!(FILTERS.is_sorted_by_key(|(name, _)| *name), "a name is found where one looks for it");
    assert!(REQUIRED.iter().all(|(name, _)| FILTERS.iter().any(|(known, _)| known == name)));
    assert_eq!(distance("tempaut", "tempauth"), 1);
    assert_eq!(distance("slo", "dlo"), 1);
    assert_eq!(distance("", "abc"), 3);
}
