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
async fn the_protocol_is_the_clients() {
    let (app, _) = build(layer, &[("log_msg_template", "{protocol}")], Fake::status(200));
    let mut old = get("/v1/a");
    old.env.version = Version::Http10;
    let lines = lines_of(async { drop(text(app.call(old).await).await) }).await;
    assert_eq!(lines, ["HTTP/1.0"]);
}

#[tokio::test]
async fn a_line_without_the_transaction_id_gets_it() {
    let log = async |options: &[(&str, &str)]| {
        let (app, _) = build(layer, options, Fake::status(200));
        let mut named = get("/v1/a");
        named.env.trans_id = "tx1".into();
        lines_of(async { drop(text(app.call(named).await).await) }).await.remove(0)
    };
    assert_eq!(log(&[("log_msg_template", "{method}")]).await, "GET (txn: tx1)");
    assert_eq!(log(&[("log_msg_template", "{transaction_id} {method}")]).await, "tx1 GET");
    let json = [("log_msg_template", "{method}"), ("access_log_json", "yes")];
    assert!(log(&json).await.ends_with('}'), "a JSON object stays one");
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
    let all = [("access_log_headers", "yes"), ("log_msg_template", "{headers}")];
    let login = super::super::tests::request(
        Method::Get,
        "/auth/v1.0",
        &[("X-Auth-Key", "pw"), ("X-Storage-Pass", "a long password of more than 16")],
    );
    assert_eq!(log(&all, login).await, "X-Auth-Key:%20...%0AX-Storage-Pass:%20...");
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

/// What comes to a socket while `work` sends to its port; figures are masked and lines sorted.
async fn statsd_lines(work: impl AsyncFnOnce(u16)) -> Vec<String> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    work(socket.local_addr().unwrap().port()).await;
    let (mut lines, mut datagram) = (Vec::new(), [0; 512]);
    while let Ok(length) = socket.recv(&mut datagram) {
        let line = String::from_utf8_lossy(&datagram[..length]).into_owned();
        // Counts must agree, times cannot.
        lines.push(if line.ends_with("|ms") { line.split(':').next().unwrap().to_owned() } else { line });
    }
    lines.sort();
    lines
}

const PYTHON_STATSD: &str = r#"
import json, sys
from swift.common import storage_policy, utils
from swift.common.middleware.proxy_logging import ProxyLoggingMiddleware
from swift.common.swob import Request, Response
port, requests = sys.argv[1], json.load(sys.stdin)
conf = {'log_statsd_host': '127.0.0.1', 'log_statsd_port': port, 'access_log_statsd_metric_prefix': 'p1',
        'log_address': '/nowhere'}
for method, path, status, policy, body in requests:
    headers = {'X-Backend-Storage-Policy-Index': policy} if policy else {}
    def app(env, start_response):
        return Response(status=status, body='0123456789', headers=headers)(env, start_response)
    request = Request.blank(path, environ={'REQUEST_METHOD': method}, body=body)
    def whole(env, start_response):
        env['wsgi.input'].read()
        return app(env, start_response)
    b''.join(ProxyLoggingMiddleware(whole, conf)(request.environ, lambda *args: None))
"#;

#[tokio::test]
async fn statsd_hears_what_it_hears_from_python() {
    let requests = [
        ("GET", "/v1/a/c/o", 200, "0", ""),
        ("PUT", "/v1/a/c/o", 201, "0", "abc"),
        ("GET", "/v1/a/c/o", 404, "7", ""),
        ("HEAD", "/v1/a/c", 204, "", ""),
        ("POST", "/v1/a", 401, "", ""),
        ("BREW", "/v1/a/c/o", 405, "", ""),
        ("GET", "/healthcheck", 200, "", ""),
    ];
    let theirs = statsd_lines(async |port| {
        let input = serde_json::to_string(&requests).unwrap();
        swiftlet_testing::run_python(PYTHON_STATSD, &[&port.to_string()], &input);
    });
    let ours = statsd_lines(async |port| {
        let port = port.to_string();
        for (method, path, status, policy, body) in requests {
            let end = Fake::new(move |asked| {
                let body = if asked.http.method == Method::Head { "" } else { "0123456789" };
                let answer = Response::new(status).with_body(body);
                if policy.is_empty() { answer } else { answer.with(POLICY_INDEX, policy) }
            });
            let options: &[(&str, &str)] = &[
                ("log_statsd_host", "127.0.0.1"),
                ("log_statsd_port", &port),
                ("access_log_statsd_metric_prefix", "p1"),
            ];
            let (app, _) = build(layer, options, end);
            let mut asked = request(Method::from_name(method), path, &[]);
            asked.http.body = body.into();
            drop(text(app.call(asked).await).await);
        }
    });
    let (theirs, ours) = (theirs.await, ours.await);
    assert!(theirs.len() > requests.len(), "{theirs:?}");
    assert_eq!(ours, theirs);
}
