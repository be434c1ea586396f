"""Alerts and dashboard with a real Prometheus: the alerts fire when they should and rest when they should, and what is shown of
nodes and proxies is there once a cluster is scraped. That names exist is operator/tests/monitoring.rs's to say."""

import json
import os
import pathlib
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
import yaml
from swift.common.ring import RingData

from tests.support.dev import DevCluster, free_port, tail

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "target/prometheus/usr/bin"
MONITORING = ROOT / "deploy/monitoring"
RULES = MONITORING / "rules.yaml"
MINUTES = 3 * 24 * 60

# A figure as it is where something is wrong, and where all is well. As promtool writes series: `start+step`.
WORLD = [
    ('swiftlet_operator_nodes_wanted{zone="z1"}', "2", "2"),
    ('swiftlet_operator_nodes_wanted{zone="z2"}', "2", "2"),
    ('swiftlet_operator_nodes_ready{zone="z1"}', "1", "2"),
    ('swiftlet_operator_nodes_ready{zone="z2"}', "1", "2"),
    *[(f'swiftlet_device_mounted{{node="n{n}",device="d1"}}', "0" if n == 1 else None, "1") for n in range(4)],
    ('swiftlet_drive_errors{node="n1",device="d1"}', "3", "0"),
    ('swiftlet_device_available_bytes{node="n1",device="d1"}', "1", "50"),
    ('swiftlet_device_size_bytes{node="n1",device="d1"}', "100", "100"),
    ('swiftlet_operator_zone_used_bytes{zone="z1"}', "80", "50"),
    ('swiftlet_operator_zone_size_bytes{zone="z1"}', "100", "100"),
    ('swiftlet_quarantined{node="n1",kind="objects",policy="0"}', "0+1", "7"),
    ('swiftlet_async_pendings{node="n1"}', "0+10", "2000"),
    ('swiftlet_updater_oldest_failure_age_seconds{node="n1"}', "100000", "60"),
    ('swiftlet_replication_last_pass_end_timestamp_seconds{node="n1",server="object-server"}', "0", "0+60"),
    ('swiftlet_replication_last_pass{node="n1",server="object-server",outcome="failure"}', "1", "0"),
    ('swiftlet_operator_pods_behind_on_rings{component="storage"}', "1", "0"),
    ('swiftlet_operator_pods_silent_on_rings{component="storage"}', "0", "0"),
    ('swiftlet_ring_info{node="n1",ring="object",md5="a"}', "1", "1"),
    ('swiftlet_ring_info{node="n2",ring="object",md5="b"}', "1", None),
    ('swiftlet_clock_offset_seconds{node="10.0.0.1:6200"}', "-3", "-0.1"),
    ('swiftlet_daemon_last_pass_end_timestamp_seconds{node="n1",daemon="object-expirer"}', "0", "0+60"),
    ('swiftlet_operator_proxies_wanted{pool="default"}', "2", "2"),
    ('swiftlet_operator_proxies_ready{pool="default"}', "0", "2"),
    ('swiftlet_requests_total{server="proxy-server",status="503"}', "0+10", "0"),
    ('swiftlet_requests_total{server="proxy-server",status="200"}', "0+10", "0+10"),
    ('swiftlet_first_byte_seconds_bucket{le="1"}', "0", "0+10"),
    ('swiftlet_first_byte_seconds_bucket{le="4"}', "0+10", "0+10"),
    ('swiftlet_first_byte_seconds_bucket{le="+Inf"}', "0+10", "0+10"),
    ('swiftlet_operator_held{step="PublishRings",reason="RingRefused",needs_a_person="true"}', "1", None),
    ('swiftlet_operator_held{step="RestartNode",reason="GateFailed",needs_a_person="true"}', "1", None),
    ('swiftlet_operator_held{step="RestartNode",reason="OtherZoneDown",needs_a_person="false"}', "1", None),
    ('swiftlet_operator_held{step="RemoveNode",reason="DrainRefused",needs_a_person="true"}', "1", None),
    # what waits in order is nobody's alarm
    ('swiftlet_operator_held{step="PublishRings",reason="MinPartHours",needs_a_person="false"}', None, "1"),
    ('swiftlet_operator_held{step="RestartNode",reason="Paused",needs_a_person="false"}', None, "1"),
    ('swiftlet_operator_held{step="RestartNode",reason="OutsideWindow",needs_a_person="false"}', None, "1"),
    ("swiftlet_operator_cluster_problems{}", "1", "0"),
    ("swiftlet_operator_cluster_last_pass_timestamp_seconds{}", "0", "0+60"),
    ("swiftlet_operator_leading{}", "0", "1"),
    ('swiftlet_operator_passes_total{result="error"}', "0+1", "0"),
    ('swiftlet_operator_writes_total{kind="ConfigMap"}', "0+100", "0"),
]


@pytest.fixture(scope="module", autouse=True)
def programs():
    subprocess.run([ROOT / "tests/setup/prometheus.sh"], check=True)


def promtool(*arguments):
    done = subprocess.run([BIN / "promtool", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alert_names():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


def test_the_rules_parse():
    assert f"SUCCESS: {len(alert_names())} rules found" in promtool("check", "rules", str(RULES))


def in_a_cluster(series):
    name, labels = series.split("{")
    return f'{name}{{namespace="store",cluster="demo",{labels}'.replace(",}", "}")


def fires(tmp_path, world, names):
    """That of all alerts these fire in such a world, and no other."""
    series = [
        {"series": in_a_cluster(series), "values": f"{value}x{MINUTES}"}
        for series, value in world
        if value is not None
    ]
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names]
    check = {
        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{MINUTES}m",
        "exp_samples": samples,
    }
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [check]}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "15m", "tests": [test]}))
    promtool("test", "rules", str(path))


def test_every_alert_fires_where_its_trouble_is(tmp_path):
    fires(tmp_path, [(series, bad) for series, bad, _ in WORLD], alert_names())


def test_no_alert_fires_where_all_is_well(tmp_path):
    fires(tmp_path, [(series, good) for series, _, good in WORLD], [])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A dev cluster whose daemons do not rest between their passes: all have figures soon."""
    folder = tmp_path_factory.mktemp("dev")
    documents = list(yaml.safe_load_all((ROOT / "deploy/examples/dev.yaml").read_text()))
    hurried = ("object-expirer", "object-updater", "object-replicator", "object-auditor")
    config = {"object-server.conf": {daemon: {"interval": "1"} for daemon in hurried}}
    for document in documents:
        if document["kind"] == "SwiftCluster":
            document["spec"]["config"] = config
    (folder / "dev.yaml").write_text(yaml.safe_dump_all(documents))
    with DevCluster(data=folder / "data", manifests=[folder / "dev.yaml"]) as running:
        yield running


class Prometheus:
    """Scrapes a dev cluster every second, with the labels that the PodMonitor gives."""

    def __init__(self, cluster, folder):
        self.port = free_port()
        self.log = folder / "prometheus.log"
        targets = [self._target(f"127.0.0.1:{cluster.port}", pool="default")]
        for ring in ("account", "container", "object"):
            devices = RingData.load(str(cluster.data / "etc" / f"{ring}.ring.gz")).devs
            places = {(d["ip"], d["port"], d["zone"]) for d in devices if d}
            targets += [self._target(f"{ip}:{port}", zone=f"z{zone}", node=f"n{zone}") for ip, port, zone in places]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "swiftlet", "static_configs": targets}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        argv = [BIN / "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
        argv.append(f"--web.listen-address=127.0.0.1:{self.port}")
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=open(self.log, "wb"))

    @staticmethod
    def _target(address, **labels):
        return {"targets": [address], "labels": {"namespace": "store", "cluster": "demo", **labels}}

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def values(self, expression):
        return self.ask("query", query=expression)["result"]


@pytest.fixture(scope="module")
def prometheus(cluster, tmp_path_factory):
    running = Prometheus(cluster, tmp_path_factory.mktemp("prometheus"))
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(30)


def of_nodes_and_proxies():
    """The dashboard's expressions about them, with its variables filled in."""
    filled = {"$namespace": "store", "$cluster": "demo", "$__rate_interval": "10s"}
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in filled.items():
                expression = expression.replace(variable, value)
            if "swiftlet_operator_" not in expression:
                yield panel["title"], expression


# What a cluster on which nothing ever failed, without erasure coding, has none of.
NOT_THERE = {"Failed requests", "Errors of storage servers", "Device errors", "Reconstruction", "Oldest update not taken"}


def test_what_the_dashboard_shows_of_nodes_and_proxies_is_there(prometheus, swift, tmp_path):
    (tmp_path / "small").write_bytes(b"x" * 4096)
    waiting = {(title, expression) for title, expression in of_nodes_and_proxies() if title not in NOT_THERE}
    assert len(waiting) > 20
    deadline = time.monotonic() + 120
    while waiting and time.monotonic() < deadline:
        swift("upload", "seen", str(tmp_path / "small"), cwd=tmp_path)
        swift("download", "seen", "--output-dir", str(tmp_path / "out"))
        try:
            waiting = {asked for asked in waiting if not prometheus.values(asked[1])}
        except OSError:
            assert prometheus.process.poll() is None, tail(prometheus.log)
            time.sleep(0.2)
    missing = "\n".join(f"{title}: {expression}" for title, expression in sorted(waiting))
    assert not waiting, f"{missing}\n{tail(prometheus.log)}"


def test_every_rule_can_be_evaluated_on_what_is_scraped(prometheus):
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert sorted(rule["name"] for rule in rules) == sorted(alert_names())
    assert [rule for rule in rules if rule["health"] != "ok" or rule.get("lastError")] == []
