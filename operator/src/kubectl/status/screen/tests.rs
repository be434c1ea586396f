use super::*;
use crate::kubectl::status::snapshot::HeldLine;

fn device(name: &str, used: u64) -> DeviceSeen {
    DeviceSeen {
        name: name.into(),
        used_bytes: Some(used << 30),
        size_bytes: Some(100 << 30),
        async_pendings: Some(2),
        quarantined: Some(0),
        partitions: Some(2730),
        misplaced: Some(0),
        ..DeviceSeen::default()
    }
}

fn node(name: &str) -> PodSeen {
    PodSeen {
        name: name.into(),
        ready: true,
        version: Some("0.1.0".into()),
        generation: Some(12),
        last_pass_age_s: Some(360),
        misplaced: Some(0),
        devices: vec![device("d1", 30), device("d2", 32)],
        ..PodSeen::default()
    }
}

fn snapshot(nodes: usize) -> Snapshot {
    let ready = State { ready: true, phase: String::new(), message: String::new() };
    let zone = ZoneSeen {
        name: "rack1".into(),
        state: ready.clone(),
        nodes_ready: format!("{nodes}/{nodes}"),
        devices_ready: format!("{0}/{0}", nodes * 2),
        nodes: (0..nodes).map(|n| node(&format!("demo-rack1-{n}"))).collect(),
    };
    Snapshot {
        cluster: "demo".into(),
        state: ready,
        version: "0.1.0".into(),
        generation: Some(12),
        zones: vec![zone],
        proxies: vec![PodSeen {
            name: "demo-proxy-x".into(),
            ready: true,
            generation: Some(12),
            ..PodSeen::default()
        }],
        ..Snapshot::default()
    }
}

fn line_of<'a>(screen: &'a str, with: &str) -> &'a str {
    screen.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("no {with:?} in\n{screen}"))
}

#[test]
fn a_settled_cluster_fits_a_glance() {
    let screen = render(&snapshot(2), false);
    assert!(screen.starts_with("demo  Ready · 124 GiB of 400 GiB (31%) · version 0.1.0\n"), "{screen}");
    let zone: Vec<&str> =
        line_of(&screen, "rack1 ").split("   ").map(str::trim).filter(|s| !s.is_empty()).collect();
    assert_eq!(zone, ["rack1", "2/2", "4/4", "31%", "g12 2/2", "pass 6m ago", "8", "0", "0.1.0", "Ready"]);
    assert!(line_of(&screen, "demo-rack1-0").contains("d1 30% d2 32%"));
    assert_eq!(line_of(&screen, "RINGS"), "RINGS    g12, held by 3 of 3 pods");
    assert_eq!(line_of(&screen, "PROXIES"), "PROXIES  1/1 ready");
    assert_eq!(line_of(&screen, "ROLLOUT"), "ROLLOUT  none");
    assert_eq!(line_of(&screen, "WAITING"), "WAITING  for nothing");
}

#[test]
fn what_is_wrong_is_told_where_it_is() {
    let mut seen = snapshot(2);
    seen.state = State { ready: false, phase: "Rebalancing".into(), message: "not there yet".into() };
    let nodes = &mut seen.zones[0].nodes;
    nodes[0].devices[0] =
        DeviceSeen { refused: Some("it belongs to demo-rack2-0".into()), ..device("d1", 0) };
    nodes[0].devices[1].misplaced = Some(1365);
    nodes[0].misplaced = Some(1365);
    nodes[1] = PodSeen {
        name: "demo-rack1-1".into(),
        silent: Some("no answer within 3 s".into()),
        ..PodSeen::default()
    };
    seen.held = vec![HeldLine {
        step: "PublishRings".into(),
        subject: "object".into(),
        reason: "MinPartHours".into(),
        message: "minPartHours ends at 12:00".into(),
    }];
    let screen = render(&seen, false);
    assert!(screen.starts_with("demo  Rebalancing · not there yet"), "{screen}");
    let first = line_of(&screen, "demo-rack1-0");
    assert!(
        first.contains("d1 !") && first.contains("device d1 is not used: it belongs to demo-rack2-0"),
        "{first}"
    );
    assert!(first.contains("d2: 1,365 of 2,730 partitions to move away"), "{first}");
    let second = line_of(&screen, "does not answer");
    assert!(second.contains("down") && second.contains("no answer within 3 s"), "{second}");
    assert_eq!(line_of(&screen, "RINGS"), "RINGS    g12, held by 2 of 3 pods; not by demo-rack1-1");
    assert_eq!(
        line_of(&screen, "WAITING"),
        "WAITING  PublishRings object: minPartHours ends at 12:00 (MinPartHours)"
    );
}

#[test]
fn of_many_nodes_only_those_with_something_to_say_are_shown() {
    let mut seen = snapshot(40);
    seen.zones[0].nodes[17].generation = Some(11);
    seen.zones[0].nodes[17].behind = Some("ring slot a-0 is not there yet".into());
    let screen = render(&seen, false);
    assert_eq!(screen.lines().filter(|line| line.starts_with("  demo-rack1-")).count(), 1);
    assert!(
        line_of(&screen, "  demo-rack1-17").contains("holds other rings than g12: ring slot a-0"),
        "{screen}"
    );
    assert_eq!(render(&seen, true).lines().filter(|line| line.starts_with("  demo-rack1-")).count(), 40);
}

#[test]
fn a_rollout_says_whether_it_is_paused() {
    let mut seen = snapshot(1);
    seen.paused = true;
    assert!(render(&seen, false).contains("ROLLOUT  none; paused (kubectl swift resume)"));
    seen.state = State { ready: false, phase: "Rolling".into(), message: "2 nodes to go".into() };
    assert!(render(&seen, false).contains("ROLLOUT  paused (kubectl swift resume): 2 nodes to go"));
    seen.paused = false;
    seen.steps = (0..20).map(|n| format!("RestartNode demo-rack1-{n} revision r2")).collect();
    let screen = render(&seen, false);
    assert!(screen.contains("ROLLOUT  under way: 2 nodes to go"));
    assert!(screen.contains("… and 12 more"), "{screen}");
}
