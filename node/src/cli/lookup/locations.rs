//! Where an item of the cluster lies: the devices of its partition, and commands with which to look there.

use std::io::{self, Write};
use swiftlet_ring::{Device, Ring, bracketed};
use swiftlet_types::names::quote;
use swiftlet_types::{HashConf, PathHash};

/// An account, container or object; what is empty is not given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Item<'a> {
    pub(super) account: &'a str,
    pub(super) container: &'a str,
    pub(super) object: &'a str,
}

impl Item<'_> {
    /// Its names, joined.
    pub(super) fn path(&self) -> String {
        let Self { account, container, object } = self;
        match (container.is_empty(), object.is_empty()) {
            (_, false) => format!("{account}/{container}/{object}"),
            (false, true) => format!("{account}/{container}"),
            (true, true) => (*account).to_owned(),
        }
    }

    /// The hash of its path.
    pub(super) fn hash(&self, conf: &HashConf) -> PathHash {
        match (self.container, self.object) {
            ("", _) => conf.account(self.account),
            (container, "") => conf.container(self.account, container),
            (container, object) => conf.object(self.account, container, object),
        }
    }
}

/// What is looked for in a ring.
pub(super) enum Target<'a> {
    /// An item.
    Item(Item<'a>, &'a HashConf),
    /// A partition, and the path to show in requests.
    Partition(u32, &'a str),
}

/// How locations are shown.
pub(super) struct Shown<'a> {
    /// The folder on a device, such as `objects-1`.
    pub(super) data_dir: &'a str,
    /// The storage policy to name in requests.
    pub(super) policy: Option<u32>,
    /// All handoffs instead of as many as there are primaries.
    pub(super) all_handoffs: bool,
}

/// Prints where `target` lies.
pub(super) fn print(
    out: &mut dyn Write,
    ring: &Ring,
    target: &Target<'_>,
    shown: &Shown<'_>,
) -> io::Result<()> {
    let (part, hash, path) = match target {
        Target::Item(item, conf) => {
            let hash = item.hash(conf);
            (ring.partition(&hash), Some(hash.hex()), item.path())
        }
        Target::Partition(part, path) => (*part, None, (*path).to_owned()),
    };
    writeln!(out, "Partition\t{part}\nHash     \t{}\n", hash.as_deref().unwrap_or("None"))?;
    let nodes = nodes_of(ring, part, shown.all_handoffs);
    for (node, is_handoff) in &nodes {
        let mark = if *is_handoff { "\t [Handoff]" } else { "" };
        writeln!(out, "Server:Port Device\t{}:{} {}{mark}", node.ip, node.port, node.device)?;
    }
    writeln!(out, "\n")?;
    for (node, is_handoff) in &nodes {
        writeln!(out, "{}{}", curl_command(node, part, &path, shown.policy), comment(*is_handoff))?;
    }
    writeln!(out, "\n\nUse your own device location of servers:\nsuch as \"export DEVICE=/srv/node\"")?;
    let folder = match &hash {
        Some(hash) => format!("{}/{part}/{}/{hash}", shown.data_dir, &hash[hash.len() - 3..]),
        None => format!("{}/{part}", shown.data_dir),
    };
    for (Device { ip, device, .. }, is_handoff) in &nodes {
        let mark = comment(*is_handoff);
        writeln!(out, "ssh {ip} \"ls -lah ${{DEVICE:-/srv/node*}}/{device}/{folder}\"{mark}")?;
    }
    writeln!(
        out,
        "\nnote: `/srv/node*` is used as default value of `devices`, the real value is set in the config file on \
         each storage node."
    )
}

/// Primaries, then handoffs (`true`).
fn nodes_of(ring: &Ring, part: u32, all_handoffs: bool) -> Vec<(&Device, bool)> {
    let mut nodes: Vec<_> = ring.nodes(part).map(|node| (node, false)).collect();
    let limit = if all_handoffs { usize::MAX } else { nodes.len() };
    nodes.extend(ring.handoffs(part).take(limit).map(|node| (node, true)));
    nodes
}

fn curl_command(node: &Device, part: u32, path: &str, policy: Option<u32>) -> String {
    let Device { ip, port, device, .. } = node;
    let header = policy.map(|index| format!(" -H \"X-Backend-Storage-Policy-Index: {index}\""));
    let (ip, path, header) = (bracketed(ip), quote(path), header.unwrap_or_default());
    format!("curl -g -I -XHEAD \"http://{ip}:{port}/{device}/{part}/{path}\"{header} --path-as-is")
}

fn comment(is_handoff: bool) -> &'static str {
    if is_handoff { " # [Handoff]" } else { "" }
}
