//! Which object server tells which container server: of the object itself, and of its expiry.

use super::Place;
use crate::http::Headers;
use crate::proxy::app::ProxyRequest;
use crate::proxy::entity::Entity;
use crate::proxy::info::ContainerInfo;
use crate::proxy::meta::{self, append_csv};
use crate::proxy::nodes::Candidate;
use crate::proxy::quorum::{container_updates_needed, quorum_size};
use crate::proxy::rings::Node;
use crate::proxy::server::Application;
use std::sync::Arc;

/// Requests that clean up the expirer's queue when an object is deleted: a matter of tidiness, so a few do.
const QUEUE_CLEANERS: usize = 2;

/// The container of the expirer's queue that an object is entered in.
pub(super) struct Expiry {
    pub(super) container: String,
    pub(super) partition: u32,
    pub(super) nodes: Vec<Arc<Node>>,
}

/// The header fields of `count` requests that change an object: among them each container server is named at
/// least once, and often enough that a quorum of them hears of it where only a quorum of the requests succeed.
pub(super) fn headers(
    app: &Application,
    entity: &Entity,
    request: &ProxyRequest,
    count: usize,
    place: &Place,
    container: &ContainerInfo,
    expiry: Option<&Expiry>,
) -> Vec<Headers> {
    let ring = app.rings.container();
    let container_path = Entity::container_of(entity.account(), entity.container().unwrap_or_default());
    let partition = app.partition(&ring, &container_path);
    let nodes = ring.primaries(partition);
    let whole = || quorum_size(place.ring.replica_count());
    let object_quorum = place.scheme.as_ref().map_or_else(whole, |scheme| scheme.quorum());
    let target = Target {
        partition,
        nodes: &nodes,
        db_state: container.sharding_state.as_deref().unwrap_or("unsharded"),
        use_replication: meta::is_true(&request.http.headers, "x-backend-use-replication-network"),
    };
    spread(vec![app.all_headers(request); count], object_quorum, &target, expiry)
}

/// The container that is told.
struct Target<'a> {
    partition: u32,
    nodes: &'a [Arc<Node>],
    db_state: &'a str,
    use_replication: bool,
}

fn spread(
    mut requests: Vec<Headers>,
    object_quorum: usize,
    target: &Target<'_>,
    expiry: Option<&Expiry>,
) -> Vec<Headers> {
    let (count, containers) = (requests.len(), target.nodes.len());
    if count == 0 || containers == 0 {
        return requests;
    }
    for i in 0..container_updates_needed(containers, quorum_size(containers), count, object_quorum) {
        let node = &target.nodes[i % containers];
        let headers = &mut requests[i % count];
        headers.set_int("X-Container-Partition", target.partition);
        append_csv(headers, "X-Container-Host", &node.host(target.use_replication));
        append_csv(headers, "X-Container-Device", node.device());
        headers.set("X-Container-Root-Db-State", target.db_state.to_owned());
        if let Some(expiry) = expiry.filter(|expiry| !expiry.nodes.is_empty()) {
            // from the other end, so that no request carries all of the work
            let headers = &mut requests[count - 1 - i % count];
            let node = &expiry.nodes[i % expiry.nodes.len()];
            headers.set("X-Delete-At-Container", expiry.container.clone());
            headers.set_int("X-Delete-At-Partition", expiry.partition);
            append_csv(headers, "X-Delete-At-Host", &node.host(target.use_replication));
            append_csv(headers, "X-Delete-At-Device", node.device());
        }
    }
    for (i, headers) in requests.iter_mut().enumerate() {
        if !headers.contains("X-Backend-Clean-Expiring-Object-Queue") {
            headers.set("X-Backend-Clean-Expiring-Object-Queue", if i < QUEUE_CLEANERS { "t" } else { "f" });
        }
    }
    requests
}

/// An order to try nodes in: `first`, then up to `preferred` local ones of `others`, then the rest of them.
pub(super) fn local_next(
    mut first: Vec<Candidate>,
    others: Vec<Candidate>,
    is_local: impl Fn(&Candidate) -> bool,
    preferred: usize,
) -> Vec<Candidate> {
    let most = first.len() + preferred;
    let mut later = Vec::new();
    for candidate in others {
        match first.len() < most && is_local(&candidate) {
            true => first.push(candidate),
            false => later.push(candidate),
        }
    }
    first.append(&mut later);
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(count: usize) -> Vec<Arc<Node>> {
        (0..count).map(|i| Arc::new(Node::for_tests(i))).collect()
    }

    fn target(nodes: &[Arc<Node>]) -> Target<'_> {
        Target { partition: 5, nodes, db_state: "unsharded", use_replication: false }
    }

    #[test]
    fn one_container_server_for_each_of_three() {
        let (containers, queue) = (nodes(3), nodes(3));
        let expiry = Expiry { container: "1699999950".into(), partition: 9, nodes: queue };
        let requests = spread(vec![Headers::new(); 3], 2, &target(&containers), Some(&expiry));
        let all = |name: &str| {
            requests.iter().map(|h| h.get_str(name).unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(all("x-container-host"), ["127.0.0.1:6200", "127.0.0.2:6200", "127.0.0.3:6200"]);
        assert_eq!(all("x-delete-at-host"), ["127.0.0.3:6200", "127.0.0.2:6200", "127.0.0.1:6200"]);
        assert_eq!(all("x-delete-at-container"), ["1699999950"; 3]);
        assert_eq!(all("x-container-partition"), ["5"; 3]);
        assert_eq!(all("x-backend-clean-expiring-object-queue"), ["t", "t", "f"]);
    }

    #[test]
    fn local_nodes_go_first() {
        let candidates = |is_handoff: bool, ids: std::ops::Range<usize>| {
            let node = move |i| Candidate { node: Arc::new(Node::for_tests(i)), is_handoff };
            ids.map(node).collect::<Vec<_>>()
        };
        // odd zones are local
        let is_local = |c: &Candidate| c.node.place().zone % 2 == 1;
        let ids = |order: Vec<Candidate>| order.iter().map(|c| c.node.id()).collect::<Vec<_>>();
        let all = candidates(false, 0..3).into_iter().chain(candidates(true, 3..8)).collect();
        assert_eq!(ids(local_next(Vec::new(), all, is_local, 3)), [1, 3, 5, 0, 2, 4, 6, 7]);
        let order = local_next(candidates(false, 0..3), candidates(true, 3..8), is_local, 2);
        assert_eq!(ids(order), [0, 1, 2, 3, 5, 4, 6, 7]);
    }

    proptest! {
        #[test]
        fn each_container_server_is_told_and_a_quorum_survives(containers in 1usize..6, objects in 1usize..8) {
            let (nodes, quorum) = (nodes(containers), quorum_size(objects));
            let requests = spread(vec![Headers::new(); objects], quorum, &target(&nodes), None);
            let told = |h: &Headers| {
                h.get_str("x-container-host").map_or(0, |hosts| hosts.split(',').count())
            };
            let mut shares: Vec<usize> = requests.iter().map(told).collect();
            prop_assert!(nodes.iter().all(|n| requests.iter().any(
                |h| h.get_str("x-container-host").is_some_and(|hosts| hosts.contains(&n.host(false))))));
            // the requests with most of the updates fail
            shares.sort_unstable();
            prop_assert!(shares.iter().take(quorum).sum::<usize>() >= quorum_size(containers).min(quorum));
        }
    }
}
