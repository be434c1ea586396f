//! Which node a person means.

use kube::ResourceExt;
use swiftlet_plan::resources::Zone;

/// A node by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// Its Zone.
    pub zone: String,
    /// Its number in the Zone.
    pub ordinal: u32,
    /// `<cluster>-<zone>-<n>`.
    pub node: String,
}

impl NodeName {
    /// The name of another node of the Zone.
    pub fn sibling(&self, ordinal: u64) -> String {
        let stem = self.node.strip_suffix(&self.ordinal.to_string()).unwrap_or(&self.node);
        format!("{stem}{ordinal}")
    }
}

/// No node is meant by what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// It does not end with a number.
    #[error("{0:?} is no node; write <zone>/<n> such as {1}/0, or the node's whole name, {2}-{1}-0")]
    Ordinal(String, String, String),
    /// There is no such Zone.
    #[error("{0:?} is of no Zone of SwiftCluster {1}; its Zones are {2}")]
    UnknownZone(String, String, String),
    /// The cluster has no Zones.
    #[error("SwiftCluster {0} has no Zones")]
    Empty(String),
}

/// The node that `text` means: `<cluster>-<zone>-<n>`, `<zone>/<n>`, or `<zone>-<n>`. Whether it runs is another question.
pub fn find(cluster: &str, zones: &[Zone], text: &str) -> Result<NodeName, NodeNameError> {
    let names: Vec<String> = zones.iter().map(ResourceExt::name_any).collect();
    parse(cluster, &names, text)
}

fn parse(cluster: &str, zones: &[String], text: &str) -> Result<NodeName, NodeNameError> {
    let first = zones.first().ok_or_else(|| NodeNameError::Empty(cluster.to_string()))?;
    let no_number = || NodeNameError::Ordinal(text.to_string(), first.clone(), cluster.to_string());
    let (place, number) = text.rsplit_once('/').or_else(|| text.rsplit_once('-')).ok_or_else(no_number)?;
    // Ordinals are written in one way: rack1/01 is none.
    let ordinal: u32 = number.parse().ok().filter(|n: &u32| n.to_string() == number).ok_or_else(no_number)?;
    let whole = |zone: &&String| !text.contains('/') && place == format!("{cluster}-{zone}");
    let zone = zones.iter().find(whole).or_else(|| zones.iter().find(|zone| place == zone.as_str()));
    let zone = zone
        .ok_or_else(|| NodeNameError::UnknownZone(text.to_string(), cluster.to_string(), zones.join(", ")))?;
    Ok(NodeName { zone: zone.clone(), ordinal, node: format!("{cluster}-{zone}-{ordinal}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Vec<String> {
        ["rack1", "rack1-1", "demo-rack1"].map(String::from).to_vec()
    }

    #[test]
    fn a_node_is_named_by_its_zone_or_in_full() {
        for (text, zone, node) in [
            ("rack1/1", "rack1", "demo-rack1-1"),
            ("rack1-1/2", "rack1-1", "demo-rack1-1-2"),
            ("rack1-3", "rack1", "demo-rack1-3"),
            ("rack1-1-3", "rack1-1", "demo-rack1-1-3"),
            // The whole name goes before a Zone that happens to be called like its beginning.
            ("demo-rack1-1", "rack1", "demo-rack1-1"),
            ("demo-rack1/1", "demo-rack1", "demo-demo-rack1-1"),
        ] {
            let found = parse("demo", &zones(), text).unwrap();
            assert_eq!((found.zone.as_str(), found.node.as_str()), (zone, node), "{text}");
        }
    }

    #[test]
    fn nodes_of_a_zone_differ_in_their_last_number() {
        let node = parse("demo", &zones(), "rack1-1/1").unwrap();
        assert_eq!(node.sibling(12), "demo-rack1-1-12");
    }

    #[test]
    fn what_means_no_node_is_told_with_what_would() {
        for text in ["rack1", "rack1/x", "rack1/01", "rack1/-1", "rack1/", "", "rack1-99999999999"] {
            let error = parse("demo", &zones(), text).unwrap_err();
            assert!(matches!(error, NodeNameError::Ordinal(..)), "{text}: {error}");
            assert!(error.to_string().contains("rack1/0"), "{error}");
        }
        let error = parse("demo", &zones(), "rack9/0").unwrap_err().to_string();
        assert!(error.contains("rack1, rack1-1, demo-rack1"), "{error}");
        assert_eq!(parse("demo", &[], "rack1/0"), Err(NodeNameError::Empty("demo".into())));
    }
}
