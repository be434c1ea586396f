//! Telling an account's servers about a container while the client waits. What fails is left to the updater.

use crate::http::{Client, Headers, Method, Request, Response, Timeouts};
use futures_util::future::join_all;
use swiftlet_storage::db::ContainerInfo;

/// Where a request asks the container's facts to be sent.
pub(super) struct AccountServers {
    /// Host, port and device of each server.
    nodes: Vec<(String, u16, String)>,
    partition: String,
    trans_id: String,
    referer: String,
    override_deleted: bool,
}

/// A report ready to be sent.
pub(super) struct AccountUpdate {
    servers: AccountServers,
    info: ContainerInfo,
}

impl AccountServers {
    /// Reads the X-Account-Host, -Device and -Partition of a request; 400 where they do not fit together.
    pub fn of(request: &Request) -> Result<Self, Response> {
        let headers = &request.headers;
        let items = |name: &str| -> Vec<String> {
            headers.get_str(name).unwrap_or_default().split(',').map(|item| item.trim().to_owned()).collect()
        };
        let (hosts, devices) = (items("X-Account-Host"), items("X-Account-Device"));
        if hosts.len() != devices.len() {
            tracing::error!(
                ?hosts,
                ?devices,
                "account update impossible: different numbers of hosts and devices"
            );
            return Err(Response::standard(400));
        }
        let partition = headers.get_str("X-Account-Partition").unwrap_or_default().to_owned();
        let mut nodes = Vec::new();
        if !partition.is_empty() {
            for (host, device) in hosts.iter().zip(devices) {
                let (host, port) = split_address(host).ok_or_else(|| Response::standard(400))?;
                nodes.push((host, port, device));
            }
        }
        let path = String::from_utf8_lossy(&request.path);
        Ok(Self {
            nodes,
            partition,
            trans_id: headers.get_str("X-Trans-Id").unwrap_or("-").to_owned(),
            referer: format!("{} {}", request.method, swiftlet_types::names::quote(path.as_bytes())),
            override_deleted: headers
                .get_str("X-Account-Override-Deleted")
                .is_some_and(|value| value.eq_ignore_ascii_case("yes")),
        })
    }

    /// The report of these facts.
    pub fn report(self, info: ContainerInfo) -> AccountUpdate {
        AccountUpdate { servers: self, info }
    }
}

/// `host:port`, the host of IPv6 in brackets.
fn split_address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Some((host.to_owned(), port.parse().ok()?))
}

/// The header fields that tell an account server about a container.
pub(super) fn report_headers(info: &ContainerInfo) -> Headers {
    let mut headers = Headers::new();
    headers.set("X-Put-Timestamp", info.put_timestamp.clone());
    headers.set("X-Delete-Timestamp", info.delete_timestamp.clone());
    headers.set_int("X-Object-Count", info.object_count);
    headers.set_int("X-Bytes-Used", info.bytes_used);
    headers.set_int("X-Backend-Storage-Policy-Index", info.storage_policy_index);
    headers
}

impl AccountUpdate {
    /// Sends the report to each server; 404 where all of them say that there is no such account.
    pub async fn send(self, client: &Client, timeouts: &Timeouts) -> Result<(), Response> {
        let asked = self.servers.nodes.len();
        let answers =
            join_all(self.servers.nodes.iter().map(|node| self.send_to(node, client, timeouts))).await;
        let missing = answers.iter().filter(|status| **status == Some(404)).count();
        if asked > 0 && missing == asked { Err(Response::standard(404)) } else { Ok(()) }
    }

    async fn send_to(
        &self,
        node: &(String, u16, String),
        client: &Client,
        timeouts: &Timeouts,
    ) -> Option<u16> {
        let (host, port, device) = node;
        let path =
            format!("/{device}/{}/{}/{}", self.servers.partition, self.info.account, self.info.container);
        let mut request = Request::new(Method::Put, path);
        request.headers = report_headers(&self.info);
        request.headers.set("X-Trans-Id", self.servers.trans_id.clone());
        request.headers.set("User-Agent", format!("container-server {}", std::process::id()));
        request.headers.set("Referer", self.servers.referer.clone());
        if self.servers.override_deleted {
            request.headers.set("X-Account-Override-Deleted", "yes");
        }
        let failed = |why: String| {
            tracing::error!(host, port, device, why, "account update failed, will be retried by the updater");
        };
        match client.request(host, *port, request, timeouts).await {
            Err(error) => {
                failed(error.to_string());
                None
            }
            Ok(answer) => {
                if !answer.is_success() && answer.status != 404 {
                    failed(format!("status {}", answer.status));
                }
                Some(answer.status)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(fields: &[(&'static str, &'static str)]) -> Result<AccountServers, u16> {
        let mut request = Request::new(Method::Put, "/sda/1/a/c");
        request.headers = fields.iter().copied().collect();
        AccountServers::of(&request).map_err(|answer| answer.status)
    }

    #[test]
    fn hosts_and_devices_come_in_pairs() {
        let both = [
            ("X-Account-Host", "1.2.3.4:6202, [::1]:6203"),
            ("X-Account-Device", "sda,sdb"),
            ("X-Account-Partition", "7"),
        ];
        let nodes = servers(&both).unwrap().nodes;
        assert_eq!(nodes, [("1.2.3.4".into(), 6202, "sda".into()), ("::1".into(), 6203, "sdb".into())]);
        assert!(servers(&both[..2]).unwrap().nodes.is_empty(), "without a partition nobody is told");
        assert!(servers(&[]).unwrap().nodes.is_empty());
        assert_eq!(servers(&[both[0]]).err(), Some(400));
    }
}
