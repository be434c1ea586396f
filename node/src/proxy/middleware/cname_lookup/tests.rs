use super::super::tests::compare::{Filter, case, same};
use super::super::tests::{Fake, build, request, text};
use super::*;
use crate::http::Method;
use crate::proxy::cache::LocalCache;
use parking_lot::Mutex;
use serde_json::Value;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};

const ZONE: [(&str, &str); 6] = [
    ("www.customer.test", "c.auth_a.example.com"),
    ("far.customer.test", "middle.customer.test"),
    ("middle.customer.test", "c.auth_b.example.com"),
    ("loop.customer.test", "loop.customer.test"),
    ("odd.customer.test", "a b/c.example.com"),
    ("long.customer.test", "c.auth_long.example.com"),
];

/// A name server on a thread of its own, so that Python's filter can ask it while our test waits.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    fn start() -> Self {
        let (socket, listener) = Self::bind();
        let address = socket.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = asked.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&answer(&buffer[..length], Some(&seen)), peer);
            }
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut question = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut question).unwrap();
                let answer = answer(&question, None);
                stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        Self { address, asked }
    }

    /// One port of both kinds; a port that is free for UDP may be some connection's own end for TCP.
    fn bind() -> (UdpSocket, TcpListener) {
        loop {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
                return (socket, listener);
            }
        }
    }

    fn filter(&self, more: &[(&str, &str)]) -> Arc<dyn App> {
        let address = self.address.to_string();
        let options = [&[("nameservers", address.as_str())], more].concat();
        let host = |r: &ProxyRequest| r.http.headers.get_str("Host").unwrap_or_default().to_owned();
        build(layer, &options, Fake::new(move |request| Response::plain(200, host(request)))).0
    }
}

/// The zone's answer, over UDP one that is cut short for `long.`; `dead.` makes the server fail.
fn answer(question: &[u8], by_udp: Option<&Mutex<Vec<String>>>) -> Vec<u8> {
    let mut packet = Packet::parse(question).unwrap().into_reply();
    let name = packet.questions[0].qname.clone();
    let text = name.to_string();
    if let Some(asked) = by_udp {
        asked.lock().push(text.clone());
    }
    match ZONE.iter().find(|(alias, _)| *alias == text) {
        Some(_) if by_udp.is_some() && text.starts_with("long.") => packet.set_flags(PacketFlag::TRUNCATION),
        Some((_, target)) => {
            let target = RData::CNAME(Name::new_unchecked(target).into());
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, 300, target));
        }
        None if text.starts_with("plain.") => {}
        None if text.starts_with("dead.") => *packet.rcode_mut() = RCODE::ServerFailure,
        None => *packet.rcode_mut() = RCODE::NameError,
    }
    packet.build_bytes_vec().unwrap()
}

async fn ask(app: &dyn App, host: &str, cache: &Arc<LocalCache>) -> (u16, String) {
    let mut request = request(Method::Get, "/o", &[("Host", host)]);
    request.env.cache = Some(cache.clone());
    text(app.call(request).await).await
}

fn cases() -> Vec<Value> {
    let hosts = [
        "www.customer.test",
        "www.customer.test:8080",
        "far.customer.test",
        "loop.customer.test",
        "long.customer.test",
        "none.customer.test",
        "plain.customer.test",
        "dead.customer.test",
        "c.auth_a.example.com",
        "example.com:80",
        "10.1.2.3:80",
        "10.1.2.3",
    ];
    let mut cases: Vec<Value> =
        hosts.iter().map(|host| case("GET", "/o", &[("Host", host)]).value()).collect();
    for location in [
        "http://c.auth_a.example.com/v1/AUTH_a/c/o/",
        "https://c.auth_a.example.com",
        "https://c.auth_a.example.com.net/",
    ] {
        let case = case("GET", "/o", &[("Host", "www.customer.test")]);
        cases.push(case.path("GET /o", 301, &[("Location", location)]).value());
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn does_what_pythons_does() {
    let server = NameServer::start();
    let address = server.address.to_string();
    for options in [
        &[][..],
        &[("lookup_depth", "2")],
        &[("lookup_depth", "3"), ("storage_domain", ".example.net, example.com")],
        &[("storage_domain", "")],
    ] {
        let options = [&[("nameservers", address.as_str())], options].concat();
        same(&[Filter("cname_lookup", layer, &options)], cases()).await;
    }
}

#[tokio::test]
async fn what_dns_says_is_kept_for_the_host_that_was_named() {
    let server = NameServer::start();
    let app = server.filter(&[("lookup_depth", "2")]);
    let cache = Arc::new(LocalCache::new(1 << 20, None));
    for _ in 0..2 {
        assert_eq!(ask(&*app, "far.customer.test", &cache).await, (200, "c.auth_b.example.com".into()));
        assert_eq!(ask(&*app, "none.customer.test", &cache).await.0, 400);
    }
    let asked = std::mem::take(&mut *server.asked.lock());
    assert_eq!(asked, ["far.customer.test", "middle.customer.test", "none.customer.test"]);
    assert_eq!(&cache.get("cname-far.customer.test").await.unwrap()[..], b"\"c.auth_b.example.com\"");
    assert_eq!(&cache.get("cname-none.customer.test").await.unwrap()[..], b"false");
    // nobody knows: that is not kept
    assert_eq!(ask(&*app, "dead.customer.test", &cache).await.0, 400);
    assert_eq!(cache.get("cname-dead.customer.test").await, None);
}

#[tokio::test]
async fn an_alias_that_is_no_host_leads_nowhere() {
    let server = NameServer::start();
    let (app, cache) = (server.filter(&[]), Arc::new(LocalCache::new(1 << 20, None)));
    assert_eq!(ask(&*app, "odd.customer.test", &cache).await.0, 400);
    assert_eq!(ask(&*app, &"x".repeat(70), &cache).await.0, 400);
}
