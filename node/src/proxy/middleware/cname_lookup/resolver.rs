//! Asks name servers for CNAME records: over UDP, and over TCP where the answer does not fit.

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

const DNS_PORT: u16 = 53;
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long one server may take, and all of them together.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nobody is asked after all were silent.
const ROUND_PAUSE: Duration = Duration::from_millis(100);
/// The longest answer that is taken over UDP; what is cut shorter is asked for over TCP.
const MAX_DATAGRAM_BYTES: usize = 4096;

/// A CNAME record.
#[derive(Debug, PartialEq, Eq)]
pub struct Cname {
    /// What the name stands for, without a dot at the end.
    pub target: String,
    /// For how long that may be believed.
    pub ttl: Duration,
}

/// Why nobody can say whether a name has a CNAME record.
#[derive(Debug, Error)]
pub enum LookupError {
    /// It is no name.
    #[error("no domain name: {0}")]
    Name(simple_dns::SimpleDnsError),
    /// No server gave an answer that could be used; what the last one did.
    #[error("no name server answers: {0}")]
    NoServer(ServerError),
    /// They were silent for too long.
    #[error("no answer within {LOOKUP_TIMEOUT:?}")]
    Timeout,
}

/// Why a server's answer is none.
#[derive(Debug, Error)]
pub enum ServerError {
    /// None is configured.
    #[error("{RESOLV_CONF} names none")]
    None,
    /// It cannot be reached.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is silent.
    #[error("no answer within {SERVER_TIMEOUT:?}")]
    Silent,
    /// What it says cannot be read.
    #[error("a malformed answer: {0}")]
    Malformed(#[from] simple_dns::SimpleDnsError),
    /// It refuses, or fails.
    #[error("{0:?}")]
    Refused(RCODE),
}

/// A stub resolver.
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// One that asks the servers of `nameservers`, or, without any, those of the system.
    pub fn read(section: &Options) -> Result<Self, OptionError> {
        let option = "nameservers";
        let why = "names a server that is no IPv4 or IPv6 address, perhaps followed by a :<integer> port";
        let named = section.list(option, "");
        let servers: Option<Vec<_>> = named.iter().map(|server| address(server)).collect();
        let servers = servers.ok_or_else(|| section.error(option, why))?;
        Ok(Self {
            servers: if servers.is_empty() { system_servers(Path::new(RESOLV_CONF)) } else { servers },
        })
    }

    /// The CNAME record of `domain`; `None` where it has none. Servers that are of no use are asked once, those that are
    /// silent until time is up.
    pub async fn cname(&self, domain: &str) -> Result<Option<Cname>, LookupError> {
        let name = Name::new(domain).map_err(LookupError::Name)?;
        timeout(LOOKUP_TIMEOUT, self.ask_all(&name)).await.map_err(|_| LookupError::Timeout)?
    }

    async fn ask_all(&self, name: &Name<'_>) -> Result<Option<Cname>, LookupError> {
        let mut servers = self.servers.clone();
        let mut last = ServerError::None;
        while !servers.is_empty() {
            let mut silent = Vec::new();
            for server in servers {
                let answer = timeout(SERVER_TIMEOUT, ask(server, name)).await;
                match answer.unwrap_or(Err(ServerError::Silent)) {
                    Ok(found) => return Ok(found),
                    Err(error) => {
                        silent.extend(matches!(error, ServerError::Silent).then_some(server));
                        last = error;
                    }
                }
            }
            servers = silent;
            if !servers.is_empty() {
                sleep(ROUND_PAUSE).await;
            }
        }
        Err(LookupError::NoServer(last))
    }
}

/// An address with or without a port; IPv6 with one stands in brackets.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, DNS_PORT)))
}

fn system_servers(path: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let server = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["nameserver", server, ..] => server.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)),
        _ => None,
    };
    text.lines().filter_map(server).collect()
}

async fn ask(server: SocketAddr, name: &Name<'_>) -> Result<Option<Cname>, ServerError> {
    let id = rand::random();
    let question = question(id, name)?;
    let any_port = match server {
        SocketAddr::V4(_) => (IpAddr::from(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::V6(_) => (IpAddr::from(Ipv6Addr::UNSPECIFIED), 0),
    };
    let socket = UdpSocket::bind(any_port).await?;
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut buffer = [0; MAX_DATAGRAM_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match read_answer(&buffer[..length], id, name)? {
            // somebody else's, or to an older question
            Answer::Foreign => {}
            Answer::Truncated => break,
            Answer::Whole(found) => return Ok(found),
        }
    }
    match read_answer(&ask_by_tcp(server, &question).await?, id, name)? {
        Answer::Whole(found) => Ok(found),
        Answer::Foreign | Answer::Truncated => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
    }
}

async fn ask_by_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn question(id: u16, name: &Name<'_>) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name.clone(), QTYPE::TYPE(TYPE::CNAME), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// To another question than ours.
    Foreign,
    /// Cut short.
    Truncated,
    /// The record, where there is one.
    Whole(Option<Cname>),
}

fn read_answer(bytes: &[u8], id: u16, name: &Name<'_>) -> Result<Answer, ServerError> {
    let packet = Packet::parse(bytes)?;
    let same = |other: &Name<'_>| other.to_string().eq_ignore_ascii_case(&name.to_string());
    let is_ours = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && packet.questions.first().is_none_or(|question| same(&question.qname));
    if !is_ours {
        return Ok(Answer::Foreign);
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Answer::Truncated);
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Answer::Whole(None)),
        refusal => return Err(ServerError::Refused(refusal)),
    }
    let record = packet.answers.iter().find_map(|record| match &record.rdata {
        RData::CNAME(target) if same(&record.name) => {
            Some(Cname { target: target.0.to_string(), ttl: Duration::from_secs(record.ttl.into()) })
        }
        _ => None,
    });
    Ok(Answer::Whole(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u16, question: &str, flags: PacketFlag, rcode: RCODE, cname: Option<&str>) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        packet.set_flags(flags);
        *packet.rcode_mut() = rcode;
        let name = Name::new(question).unwrap();
        packet.questions.push(Question::new(name.clone(), QTYPE::TYPE(TYPE::CNAME), CLASS::IN.into(), false));
        packet.answers.extend(cname.map(|cname| {
            let target = RData::CNAME(Name::new(cname).unwrap().into());
            simple_dns::ResourceRecord::new(name, CLASS::IN, 7, target)
        }));
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn only_an_answer_to_the_question_counts() {
        let name = Name::new("www.customer.test").unwrap();
        let (none, ok) = (PacketFlag::empty(), RCODE::NoError);
        let read = |bytes: Vec<u8>| read_answer(&bytes, 7, &name);
        let found = Cname { target: "c.example.com".into(), ttl: Duration::from_secs(7) };
        let whole = reply(7, "WWW.customer.test", none, ok, Some("c.example.com"));
        assert_eq!(read(whole.clone()).unwrap(), Answer::Whole(Some(found)));
        assert_eq!(
            read(reply(8, "www.customer.test", none, ok, Some("c.example.com"))).unwrap(),
            Answer::Foreign
        );
        assert_eq!(
            read(reply(7, "mail.customer.test", none, ok, Some("c.example.com"))).unwrap(),
            Answer::Foreign
        );
        let cut = reply(7, "www.customer.test", PacketFlag::TRUNCATION, ok, None);
        assert_eq!(read(cut).unwrap(), Answer::Truncated);
        let none_such = reply(7, "www.customer.test", none, RCODE::NameError, None);
        assert_eq!(read(none_such).unwrap(), Answer::Whole(None));
        let failed = read(reply(7, "www.customer.test", none, RCODE::ServerFailure, None));
        assert!(matches!(failed, Err(ServerError::Refused(RCODE::ServerFailure))));
        for length in 0..whole.len() {
            assert!(read(whole[..length].to_vec()).is_err(), "{length}");
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_servers_that_will_not_be_asked_again() {
        // nothing can be sent to port 0
        let resolver = Resolver { servers: vec!["127.0.0.1:0".parse().unwrap()] };
        let mut quickest = Duration::MAX;
        for _ in 0..5 {
            let begin = std::time::Instant::now();
            let error = resolver.cname("www.customer.test").await.unwrap_err();
            assert!(matches!(error, LookupError::NoServer(ServerError::Io(_))), "{error}");
            quickest = quickest.min(begin.elapsed());
        }
        assert!(quickest < ROUND_PAUSE, "{quickest:?}");
    }

    #[test]
    fn servers_are_addresses_with_or_without_a_port() {
        let read = |text: &str| {
            Resolver::read(&Options::new("p.conf", "filter:cname_lookup").with("nameservers", text))
        };
        let servers = read("127.0.0.1, 127.0.0.2:5353, ::1, [::1], [::1]:54").unwrap().servers;
        let shown: Vec<_> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:53", "127.0.0.2:5353", "[::1]:53", "[::1]:53", "[::1]:54"]);
        for wrong in ["ns.example.com", "127.0.0.1:dns", "127.0.0.1, x", "[::1"] {
            let error = read(wrong).err().unwrap().to_string();
            assert!(error.contains("nameservers") && error.contains("no IPv4 or IPv6 address"), "{error}");
        }
    }

    #[test]
    fn the_system_tells_its_servers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "search a.test\nnameserver 10.1.2.3\n# nameserver 1.1.1.1\nnameserver ::1\nnameserver x\n",
        )
        .unwrap();
        let shown: Vec<_> = system_servers(file.path()).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.1.2.3:53", "[::1]:53"]);
        assert!(system_servers(Path::new("/nonexistent")).is_empty());
    }
}
