//! Reaping one container: its objects, then the container.

use super::nodes::{Nodes, report_to};
use super::plan::outcome;
use super::run::AccountReaper;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use swiftlet_ring::{Device, Ring};
use swiftlet_types::Timestamp;

/// The account that is reaped, as its containers' servers are to tell it.
pub(super) struct Home<'a> {
    pub account: &'a str,
    pub partition: u32,
    pub nodes: &'a [Device],
}

/// A container that is reaped, as its objects' servers are to tell it.
struct Place<'a> {
    account: &'a str,
    container: &'a str,
    partition: u32,
    nodes: Vec<Device>,
}

impl AccountReaper {
    /// Deletes what is in a container and the container itself. What could not be deleted is there for the next pass.
    pub(super) async fn reap_container(&self, nodes: &Nodes<'_>, home: &Home<'_>, container: String) {
        let ring = self.container_ring.get();
        let partition = ring.partition(&self.hash.container(home.account, &container));
        let place = Place {
            account: home.account,
            container: &container,
            partition,
            nodes: ring.nodes(partition).cloned().collect(),
        };
        self.reap_objects(nodes, &place).await;
        let time = Timestamp::now();
        // Each of them tells another one of the account's; those without one tell nobody.
        let tells = home.nodes.iter().rev().map(Some).chain(std::iter::repeat(None));
        let deleting = place.nodes.iter().zip(tells).map(|(node, tells)| {
            let mut headers =
                tells.map(|node| report_to("Account", node, home.partition)).unwrap_or_default();
            headers.set("X-Account-Override-Deleted", "yes");
            nodes.delete(node, place.path(node), headers, time)
        });
        let answers = join_all(deleting).await;
        nodes.stats.lock().containers.count(outcome(&answers));
    }

    /// Deletes the objects that the last of the container's servers lists.
    async fn reap_objects(&self, nodes: &Nodes<'_>, place: &Place<'_>) {
        let Some(node) = place.nodes.last() else { return };
        let mut marker = String::new();
        while let Some(listing) = nodes.list(node, &place.path(node), &marker).await {
            let Some(last) = listing.objects.last() else { return };
            marker.clone_from(last);
            let ring =
                listing.policy.and_then(|policy| Some((policy, self.object_rings.get(&policy)?.get())));
            if ring.is_none() {
                tracing::error!("ERROR: invalid storage policy index: {:?}", listing.policy);
            }
            let objects = stream::iter(listing.objects);
            let reaping = objects.for_each_concurrent(self.each_at_once, |object| {
                self.reap_object(nodes, place, object, ring.clone())
            });
            reaping.await;
        }
    }

    async fn reap_object(
        &self,
        nodes: &Nodes<'_>,
        place: &Place<'_>,
        object: String,
        ring: Option<(u32, Arc<Ring>)>,
    ) {
        let Some((policy, ring)) = ring else {
            nodes.stats.lock().objects.count(outcome(&[]));
            return;
        };
        let partition = ring.partition(&self.hash.object(place.account, place.container, &object));
        let time = Timestamp::now();
        let deleting = ring.nodes(partition).zip(place.nodes.iter().cycle()).map(|(node, tells)| {
            let mut headers = report_to("Container", tells, place.partition);
            headers.set_int("X-Backend-Storage-Policy-Index", policy);
            let path = format!("/{}/{partition}/{}/{}/{object}", node.device, place.account, place.container);
            nodes.delete(node, path, headers, time)
        });
        let answers = join_all(deleting).await;
        nodes.stats.lock().objects.count(outcome(&answers));
    }
}

impl Place<'_> {
    fn path(&self, node: &Device) -> String {
        format!("/{}/{}/{}/{}", node.device, self.partition, self.account, self.container)
    }
}
