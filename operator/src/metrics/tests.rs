use super::*;
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_plan::documents::Documents;
use swiftlet_plan::plan::{Held, HoldReason, Plan};
use swiftlet_plan::report::{Findings, Release, Usage, report};
use swiftlet_plan::validate::{HashPath, validate};
use swiftlet_plan::world::{Holding, ObservedDevice, ObservedNode, ObservedProxies, PublishedRings, World};

/// The example's three Zones of one node with two devices: one node holds older rings, one is down, one of two proxies
/// does not say what it holds.
fn world() -> World {
    let holdings = Some(BTreeMap::from([("object".to_string(), Holding { partitions: 40, misplaced: 3 })]));
    let device = ObservedDevice { holdings, ..ObservedDevice::default() };
    let devices: BTreeMap<_, _> = ["d1", "d2"].map(|d| (d.to_string(), device.clone())).into();
    let node = |zone: &str, ready, ring_generation| {
        let zone = zone.to_string();
        ObservedNode { zone, ready, ring_generation, devices: devices.clone(), ..ObservedNode::default() }
    };
    let proxies = ObservedProxies { replicas: 2, ready: 2, ring_generations: vec![7], ..Default::default() };
    World {
        has_data: true,
        rings: Some(PublishedRings { generation: 7, rings: BTreeMap::new() }),
        nodes: BTreeMap::from([
            ("demo-rack1-0".to_string(), node("rack1", true, Some(6))),
            ("demo-rack2-0".to_string(), node("rack2", true, Some(7))),
            ("demo-rack3-0".to_string(), node("rack3", false, None)),
        ]),
        proxies: BTreeMap::from([("default".to_string(), proxies)]),
        ..World::default()
    }
}

/// A page with every figure on it.
fn full() -> Metrics {
    let metrics = Metrics::new();
    metrics.set_leading(true);
    metrics.pass(true, Duration::from_millis(20));
    metrics.wrote("ConfigMap");
    metrics.took("store", "demo", "PublishRings");
    let mut documents = Documents::default();
    documents.read("cluster.yaml", include_str!("../../../deploy/examples/cluster.yaml")).unwrap();
    let mut desired = documents.desired().unwrap();
    desired.hash_path = Some(HashPath { prefix: "p".into(), suffix: "s".into() });
    let validation = validate(&desired);
    let waits = |reason| Held {
        step: "PublishRings",
        subject: "rings".into(),
        zone: None,
        reason,
        message: String::new(),
    };
    let plan = Plan {
        held: vec![
            waits(HoldReason::MinPartHours),
            waits(HoldReason::MinPartHours),
            waits(HoldReason::RingRefused),
        ],
        ..Plan::default()
    };
    let usage = BTreeMap::from([("rack1".to_string(), Usage { used_bytes: 10, size_bytes: 100 })]);
    let release = Release { version: "0.1.0".into(), image: "i".into() };
    let findings = Findings {
        desired: &desired,
        validation: &validation,
        world: &world(),
        plan: &plan,
        usage: &usage,
        release: &release,
        now_s: 1_800_000_000,
    };
    metrics.saw("store", "demo", ClusterFigures::of(findings, &report(findings)));
    metrics
}

#[test]
fn what_a_pass_saw_is_shown() {
    let page = full().render();
    for line in [
        r#"cluster_condition{namespace="store",cluster="demo",type="Ready"} 0.0"#,
        r#"cluster_condition{namespace="store",cluster="demo",type="Degraded"} 1.0"#,
        r#"zone_condition{namespace="store",cluster="demo",zone="rack3",type="Degraded"} 1.0"#,
        r#"cluster_info{namespace="store",cluster="demo",version="0.1.0"} 1.0"#,
        r#"cluster_last_pass_timestamp_seconds{namespace="store",cluster="demo"} 1800000000.0"#,
        r#"ring_generation{namespace="store",cluster="demo"} 7.0"#,
        r#"nodes_wanted{namespace="store",cluster="demo",zone="rack3"} 1.0"#,
        r#"nodes_ready{namespace="store",cluster="demo",zone="rack3"} 0.0"#,
        r#"devices_wanted{namespace="store",cluster="demo",zone="rack1"} 2.0"#,
        r#"devices_ready{namespace="store",cluster="demo",zone="rack1"} 2.0"#,
        r#"devices_ready{namespace="store",cluster="demo",zone="rack3"} 0.0"#,
        r#"zone_used_bytes{namespace="store",cluster="demo",zone="rack1"} 10.0"#,
        r#"partitions{namespace="store",cluster="demo",zone="rack1",ring="object"} 80.0"#,
        r#"partitions_misplaced{namespace="store",cluster="demo",zone="rack1",ring="object"} 6.0"#,
        r#"proxies_ready{namespace="store",cluster="demo",pool="default"} 2.0"#,
        r#"pods_behind_on_rings{namespace="store",cluster="demo",component="storage"} 1.0"#,
        r#"pods_silent_on_rings{namespace="store",cluster="demo",component="proxy"} 1.0"#,
        r#"held{namespace="store",cluster="demo",step="PublishRings",reason="MinPartHours",needs_a_person="false"} 2.0"#,
        r#"held{namespace="store",cluster="demo",step="PublishRings",reason="RingRefused",needs_a_person="true"} 1.0"#,
        r#"steps_total{namespace="store",cluster="demo",step="PublishRings"} 1"#,
    ] {
        assert!(page.contains(&format!("\n{PREFIX}_{line}\n")), "{line}: {page}");
    }
    assert!(page.ends_with("# EOF\n") && page.matches("# EOF").count() == 1, "{page}");
}

#[test]
fn a_cluster_that_is_gone_has_no_figures() {
    let metrics = full();
    metrics.forget("store", "demo");
    let page = metrics.render();
    assert!(!page.contains("demo"), "{page}");
    assert!(page.contains("swiftlet_operator_leading 1"), "{page}");
}

/// Name, labels and meaning of every figure on the page, as lines of METRICS.md.
fn lines_of(page: &str) -> Vec<String> {
    let meanings = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let counters: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let described = meanings.map(|(name, meaning)| {
        let begins = |line: &&str| {
            ["", "_total", "_count"].iter().any(|end| {
                line.strip_prefix(&format!("{name}{end}")).is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
        };
        let sample = page.lines().find(begins).unwrap_or_else(|| panic!("{name} has no value: {page}"));
        let inside = sample.split_once('{').map_or("", |(_, rest)| rest);
        let labels: Vec<String> = inside
            .split(',')
            .filter_map(|pair| pair.split_once("=\""))
            .map(|(label, _)| format!("`{label}`"))
            .collect();
        let total = if counters.contains(name) { "_total" } else { "" };
        // prometheus-client ends every help text with a full stop.
        let meaning = meaning.trim_end_matches('.');
        format!("| `{name}{total}` | {} | {meaning} |", labels.join(" "))
    });
    described.collect()
}

/// Shape of a line of METRICS.md: `| name | labels | meaning |`.
#[test]
fn the_page_about_figures_has_them_all() {
    let page = include_str!("../../METRICS.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `swiftlet_")).collect();
    assert_eq!(lines.join("\n"), lines_of(&full().render()).join("\n"));
}
