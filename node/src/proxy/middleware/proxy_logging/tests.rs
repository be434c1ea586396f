use super::super::tests::{Fake, build, chunked, get, lines_of, request, text};
use super::*;

#[tokio::test]
async fn the_default_line_is_swifts() {
    let fake = Fake::new(|request| {
        request.env.log.lock().info.push("a b".into());
        request.env.log.lock().user_id = Some("test:tester".into());
        Response::new(201).with(POLICY_INDEX, "1").with_body("done")
    });
    let (app, _) = build(layer, &[], fake);
    let headers =
        [("X-Auth-Token", "AUTH_tk0123456789abcdef"), ("User-Agent", "curl 1"), ("Referer", "http://x/")];
    let mut put = request(Method::Put, "/v1/a/c d/o?temp_url_sig=0123456789abcdefX&a=1", &headers);
    put.http.body = chunked(&["ab", "c"]);
    put.env.trans_id = "tx1".into();
    let lines = lines_of(async { drop(text(app.call(put).await).await) }).await;
    let words: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(words.len(), 22, "{}", lines[0]);
    assert_eq!(words[..2], ["10.1.2.3", "10.1.2.3"]);
    assert_eq!(words[2].split('/').count(), 6);
    assert_eq!(words[3], "PUT");
    let path = "/v1/a/c%2520d/o%3Ftemp_url_sig%3D0123456789abcdef...%26a%3D1";
    assert_eq!(words[4], path);
    assert_eq!(words[5..10], ["HTTP/1.1", "201", "http://x/", "curl%201", "AUTH_tk012345678..."]);
    assert_eq!(words[10..15], ["3", "4", "-", "tx1", "-"]);
    assert_eq!(words[16..18], ["-", "a%20b"]);
    assert_eq!(words[20..], ["1", "test:tester"]);
}

#[tokio::test]
async fn a_request_is_logged_once_and_a_subrequest_by_itself() {
    let (inner, _) = build(layer, &[("log_msg_template", "inner {source} {path}")], Fake::status(200));
    /// A filter between the two logs that asks something of its own first.
    struct Between(Arc<dyn App>);
    #[async_trait]
    impl App for Between {
        async fn call(&self, request: ProxyRequest) -> Response {
            let mut own = get("/v1/a/own");
            own.env = request.env.subrequest("SSC");
            self.0.call(own).await;
            self.0.call(request).await
        }
    }
    let section = Options::new("p.conf", "f").with("log_msg_template", "outer {source} {path} {status_int}");
    let outer = layer(&section, &mut Setup::new(Arc::default())).unwrap()(Arc::new(Between(inner)));
    let lines = lines_of(async { drop(text(outer.call(get("/v1/a/client")).await).await) }).await;
    assert_eq!(lines, ["inner SSC /v1/a/own", "outer - /v1/a/client 200"]);
}

#[tokio::test]
async fn who_went_away_is_499_and_what_broke_is_500() {
    struct Broken(bool);
    #[async_trait]
    impl BodyStream for Broken {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            match std::mem::replace(&mut self.0, true) {
                false => Ok(Some("ab".into())),
                true => Err(BodyError::Disconnected { got: 2 }),
            }
        }
    }
    let template = [("log_msg_template", "{status_int} {wire_status_int} {bytes_recvd} {bytes_sent}")];
    let (app, _) = build(layer, &template, Fake::status(201));
    let mut put = request(Method::Put, "/v1/a/c/o", &[]);
    put.http.body = Body::stream(Some(9), Broken(false));
    let lines = lines_of(async { drop(text(app.call(put).await).await) }).await;
    assert_eq!(lines, ["499 201 2 -"]);

    let unread = Fake::new(|_| Response::new(200).with_body(chunked(&["abc", "def"])));
    let (app, _) = build(layer, &template, unread);
    let lines = lines_of(async {
        let mut response = app.call(get("/")).await;
        response.body.next().await.unwrap();
    })
    .await;
    assert_eq!(lines, ["499 200 - 3"]);
    let lines = lines_of(async { drop(text(app.call(get("/")).await).await) }).await;
    assert_eq!(lines, ["200 200 - 6"]);
    let lines = lines_of(async { drop(app.call(request(Method::Head, "/", &[])).await) }).await;
    assert_eq!(lines, ["200 200 - -"]);

    let broken = Fake::new(|_| Response::new(200).with_body(Body::stream(Some(9), Broken(true))));
    let (app, _) = build(layer, &template, broken);
    let lines = lines_of(async { drop(app.call(get("/")).await.body.next().await) }).await;
    assert_eq!(lines, ["500 200 - -"]);
}

#[tokio::test]
async fn options_shape_the_line() {
    let log = async |options: &[(&str, &str)], request: ProxyRequest| {
        let (app, _) = build(layer, options, Fake::status(404));
        lines_of(async { drop(app.call(request).await) }).await.remove(0)
    };
    let headers = [
        ("X-Auth-Token", "secret"),
        ("x-other", "1"),
        ("X-Forwarded-For", "1.1.1.1, 2.2.2.2"),
        ("Host", "h:80"),
    ];
    let request = || request(Method::Get, "/v1/a/c/o/p", &headers);
    let only = [
        ("access_log_headers", "yes"),
        ("access_log_headers_only", "x-auth-token,Host"),
        ("reveal_sensitive_prefix", "2"),
        ("log_msg_template", "{headers}"),
    ];
    assert_eq!(log(&only, request()).await, "X-Auth-Token:%20se...%0AHost:%20h:80");
    let names = [("log_msg_template", "{{{account}|{container}|{object}|{client_ip}|{domain}}}")];
    assert_eq!(log(&names, request()).await, "{a|c|o/p|1.1.1.1|h}");
    let anonymous = [("log_msg_template", "{account.anonymized}"), ("log_anonymization_salt", "s")];
    assert!(log(&anonymous, request()).await.starts_with("{SMD5}"));
    let json = [("log_msg_template", "{method} {path} {referer}"), ("access_log_json", "true")];
    assert_eq!(log(&json, request()).await, r#"{"method":"GET","path":"/v1/a/c/o/p","referer":null}"#);
    let bad = Options::new("p.conf", "filter:proxy-logging").with("log_msg_template", "{nothing}");
    let error = layer(&bad, &mut Setup::new(Arc::default())).err().unwrap().to_string();
    assert_eq!(
        error,
        "p.conf [filter:proxy-logging] log_msg_template: \"{nothing}\" has the unknown field {nothing}"
    );
}
