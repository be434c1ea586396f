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
        app: Arc::new(Fake::status(404)),
        config: &config,
        swift_section: serde_json::json!({"version": "2.38.3"}),
    };
    load(&conf, Arc::default(), end)
}

#[tokio::test]
async fn builds_what_the_file_says() {
    let loaded = loaded("trans_id_suffix = -here\n", "cache tempauth", "healthcheck\n").unwrap();
    let words = ["catch_errors", "gatekeeper", "cache", "listing_formats", "tempauth", "copy"];
    assert_eq!(loaded.words, words);
    assert_eq!(loaded.left_out, ["dlo", "versioned_writes"]);
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
fn says_what_is_wrong() {
    let error = |more: &str| loaded("", "cache x", more).err().unwrap().to_string();
    assert_eq!(
        error("slo\n"),
        "proxy-server.conf [filter:x]: the filter slo is not yet built; take x out of the pipeline"
    );
    assert_eq!(
        error("tempaut\n"),
        "proxy-server.conf [filter:x]: there is no filter \"tempaut\"; use = egg:swift#tempauth would be right"
    );
    assert!(error("nothing_like_it\n").contains("there are catch_errors, copy, gatekeeper, "));
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
fn knows_every_filter_of_swift() {
    assert!(FILTERS.is_sorted_by_key(|(name, _)| *name), "a name is found where one looks for it");
    assert!(REQUIRED.iter().all(|(name, _)| FILTERS.iter().any(|(known, _)| known == name)));
    assert_eq!(distance("tempaut", "tempauth"), 1);
    assert_eq!(distance("slo", "dlo"), 1);
    assert_eq!(distance("", "abc"), 3);
}
