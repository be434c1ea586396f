"""What a platform team does with Swiftlet, in the order in which they would, on a real Kubernetes."""
import configparser
import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import cluster
from cluster import Swift, condition, get, kubectl, pod_status, run, wait_for, wait_ready

SYSTEM = "swiftlet-system"
NAMESPACE = "e2e"
EXAMPLE = os.path.join(cluster.ROOT, "deploy/examples/cluster.yaml")
CHART = os.path.join(cluster.ROOT, "charts/swiftlet-operator")
OPERATOR = "deployment/swiftlet-operator"
OURS = "app.kubernetes.io/managed-by=swiftlet-operator"
PROXY = "app.kubernetes.io/component=proxy"
STORAGE = "app.kubernetes.io/component=storage"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
EVERYTHING = "swiftclusters,zones,statefulsets,deployments,services,configmaps,secrets,persistentvolumeclaims,pods"
# The same in every run, so that a scenario can be run again by itself.
RANDOM = random.Random(1)
BODIES = {f"o{i}": RANDOM.randbytes(1000 * (i + 1)) for i in range(20)} | {"large": RANDOM.randbytes(10_000_000)}


def make_namespace(name):
    """A namespace that takes no pod but such as meet the restricted Pod Security Standard."""
    kubectl("create", "namespace", name, check=False)
    kubectl("label", "namespace", name, "--overwrite", RESTRICTED)


def uids(namespace, *labels):
    """The uid of each pod by name, but for those on their way out: a rollout is over when the new ones serve."""
    pods = [pod["metadata"] for pod in get("pods", "-n", namespace, *labels)]
    return {pod["name"]: pod["uid"] for pod in pods if "deletionTimestamp" not in pod}


def patch(kind, name, change, namespace=NAMESPACE):
    kubectl("patch", kind, name, "-n", namespace, "--type=merge", "-p", json.dumps(change))


def add_device(zone, namespace):
    """One more device on every node of `zone`, like its first; the claim of the first node's."""
    devices = get("zone", zone, "-n", namespace)["spec"]["devices"]
    name = f"d{len(devices) + 1}"
    patch("zone", zone, {"spec": {"devices": [*devices, {**devices[0], "name": name}]}}, namespace)
    return f"{name}-demo-{zone}-0"


def is_bound(claim, namespace):
    return get("pvc", claim, "-n", namespace)["status"]["phase"] == "Bound"


def was_said(reason, namespace):
    return any(event["reason"] == reason for event in get("events", "-n", namespace))


def store_certificate(secret, path):
    manifest = kubectl("create", "secret", "tls", secret, "-n", NAMESPACE, f"--cert={path}.crt", f"--key={path}.key",
                       "--dry-run=client", "-o", "json")
    kubectl("apply", "-f", "-", stdin=manifest)


def settled_generation(namespace):
    """The generation that every pod of the cluster holds, or nothing while they differ."""
    pods = get("pods", "-n", namespace, "-l", OURS)
    held = [pod_status(namespace, pod["metadata"]["name"]) for pod in pods]
    first = held[0]
    same = all((h["generation"], h["rings"]) == (first["generation"], first["rings"]) for h in held)
    return first["generation"] if same and first["generation"] == first["published"] else None


class Scenarios(unittest.TestCase):
    def setUp(self):
        self.started = time.monotonic()

    def tearDown(self):
        print(f"  {time.monotonic() - self.started:5.1f} s  {self.id().rsplit('.', 1)[1]}", flush=True)

    def login(self, **options):
        swift = Swift(NAMESPACE, **options)
        self.addCleanup(swift.close)
        return swift.login()

    def certificate(self, name):
        """A certificate of its own authority for the proxies' addresses; the path of its files but for .crt and .key."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, name)
        service = get("service", "demo-proxy", "-n", NAMESPACE)["spec"]["clusterIP"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{service},IP:127.0.0.1",
                        "-keyout", f"{path}.key", "-out", f"{path}.crt"], check=True, capture_output=True)
        return path

    @contextlib.contextmanager
    def load(self, swift):
        """A client that writes and reads all the time; what failed is in the list it yields."""
        failures, stop = [], threading.Event()

        def run_load():
            while not stop.is_set():
                status = swift.once("PUT", "/c/during", b"x")[0]
                read = swift.once("GET", "/c/o1")
                if status != 201 or read[0] != 200 or read[2] != BODIES["o1"]:
                    failures.append((status, read[0]))
        thread = threading.Thread(target=run_load)
        thread.start()
        try:
            yield failures
        finally:
            stop.set()
            thread.join()

    def lose_a_pod(self, name):
        old = get("pod", name, "-n", NAMESPACE)["metadata"]["uid"]
        kubectl("delete", "pod", name, "-n", NAMESPACE)
        wait_for("another pod in its place", lambda: get("pod", name, "-n", NAMESPACE)["metadata"]["uid"] != old)
        wait_ready("swiftcluster", "demo", NAMESPACE)

    def check_all_objects(self, swift):
        for name, body in BODIES.items():
            status, headers, found = swift("GET", f"/c/{name}")
            self.assertEqual((status, found == body), (200, True), name)
            self.assertEqual(headers["etag"], hashlib.md5(body).hexdigest())

    def test_01_install_by_helm(self):
        make_namespace(SYSTEM)
        run("helm", "upgrade", "--install", "swiftlet-operator", CHART, "-n", SYSTEM, "--wait", "--timeout", "2m",
            "--set", f"image.repository={cluster.IMAGES}/swiftlet-operator",
            "--set", f"nodeImage.repository={cluster.IMAGES}/swiftlet", timeout_s=180)
        run("helm", "test", "swiftlet-operator", "-n", SYSTEM, "--timeout", "1m")

    def test_02_apply_and_ready(self):
        make_namespace(NAMESPACE)
        kubectl("apply", "-n", NAMESPACE, "-f", EXAMPLE)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        for zone in ("rack1", "rack2", "rack3"):
            wait_ready("zone", zone, NAMESPACE)
        print(kubectl("get", "swiftcluster,zone", "-n", NAMESPACE))
        self.assertEqual(settled_generation(NAMESPACE), 1)

    def test_03_upload_and_download(self):
        swift = self.login()
        self.assertIn(swift("PUT", "/c")[0], (201, 202))
        for name, body in BODIES.items():
            self.assertEqual(swift("PUT", f"/c/{name}", body)[0], 201, name)
        self.check_all_objects(swift)
        listed = wait_for("all objects listed", lambda: (
            lambda names: names if len(names) == len(BODIES) else None)(swift("GET", "/c")[2].decode().split()))
        self.assertEqual(sorted(listed), sorted(BODIES))

    def test_04_no_host_carries_two_zones(self):
        hosts = {}
        for pod in get("pods", "-n", NAMESPACE, "-l", STORAGE):
            zone = pod["metadata"]["labels"]["swiftlet.io/zone"]
            hosts.setdefault(pod["spec"]["nodeName"], set()).add(zone)
        self.assertTrue(all(len(zones) == 1 for zones in hosts.values()), hosts)

    def test_05_a_storage_pod_is_lost_and_clients_notice_nothing(self):
        swift = self.login()
        with self.load(swift) as failures:
            self.lose_a_pod("demo-rack1-0-0")
        self.assertEqual(failures, [])
        self.check_all_objects(swift)

    def test_05_b_what_hands_change_comes_back_and_no_pod_restarts(self):
        before = uids(NAMESPACE, "-l", OURS)
        changed = {
            ("statefulset", "demo-rack1-0"): {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
            ("service", "demo-rack1-0"): {"spec": {"publishNotReadyAddresses": False}},
            ("service", "demo-proxy"): {"spec": {"selector": {"app.kubernetes.io/component": "nobody"}}},
            ("configmap", "demo-rack1-0"): {"data": {"object-server.conf": "[DEFAULT]"}},
            ("secret", "demo-rack1-0"): {"stringData": {"swift.conf": "[swift-hash]"}},
            ("configmap", "demo-rings-a-0"): {"binaryData": {"chunk": "bm9uZQ=="}},
            ("configmap", "demo-rings"): {"data": {"index.json": "{}"}},
        }
        def content(kind, name):
            found = get(kind, name, "-n", NAMESPACE)
            return {key: found.get(key) for key in ("spec", "data", "binaryData")}
        right = {subject: content(*subject) for subject in changed}
        for subject, change in changed.items():
            patch(*subject, change)
        for subject in changed:
            wait_for(f"{subject} as it was", lambda: content(*subject) == right[subject], 40)
        removed = [*changed, ("configmap", "demo-plan"), ("secret", "demo-proxy"), ("secret", "demo-rack1-0.rendering")]
        for kind, name in removed:
            # With the StatefulSet its pod would go: that is Kubernetes' doing, and not what is looked at here.
            kubectl("delete", kind, name, "-n", NAMESPACE, "--cascade=orphan")
        for kind, name in removed:
            wait_for(f"{kind} {name} again", lambda: get(kind, name, "-n", NAMESPACE), 40)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        # Pods still see the index as it was made unreadable until their kubelet looks again.
        wait_for("generation 1 everywhere", lambda: settled_generation(NAMESPACE) == 1)
        self.assertEqual(before, uids(NAMESPACE, "-l", OURS))
        self.check_all_objects(self.login())

    def test_05_c_columns_tell_use_and_the_plan_is_empty(self):
        zone = get("zone", "rack1", "-n", NAMESPACE)["status"]
        self.assertRegex(zone["used"], r"^\d+%$")
        plan = get("configmap", "demo-plan", "-n", NAMESPACE)["data"]["plan.yaml"]
        self.assertEqual(plan, "steps: []\nheld: []\n")

    def test_05_d_a_zones_configuration_restarts_its_nodes_alone(self):
        before = uids(NAMESPACE, "-l", OURS)
        old = before["demo-rack1-0-0"]
        swift = self.login()
        with self.load(swift) as failures:
            patch("zone", "rack1", {"spec": {"config": {"object-server.conf": {"object-replicator": {"concurrency": "2"}}}}})
            wait_for("rack1's node restarted", lambda: uids(NAMESPACE, "-l", OURS).get("demo-rack1-0-0", old) != old)
            wait_ready("swiftcluster", "demo", NAMESPACE)
        self.assertEqual(failures, [])
        after = uids(NAMESPACE, "-l", OURS)
        self.assertEqual({name for name in after if after[name] != before.get(name)}, {"demo-rack1-0-0"})
        file = get("configmap", "demo-rack1-0", "-n", NAMESPACE)["data"]["object-server.conf"]
        options = configparser.RawConfigParser()
        options.read_string(file)
        self.assertEqual(options["object-replicator"]["concurrency"], "2")

    def test_05_e_a_pools_configuration_rolls_its_proxies_alone(self):
        before = uids(NAMESPACE, "-l", OURS)
        swift = self.login()
        pool = {"name": "default", "replicas": 2, "config": {"proxy-server.conf": {"app:proxy-server": {"node_timeout": "9"}}}}
        with self.load(swift) as failures:
            patch("swiftcluster", "demo", {"spec": {"proxies": [pool]}})
            wait_for("other proxies", lambda: not set(uids(NAMESPACE, "-l", PROXY).values()) & set(before.values()))
            wait_ready("swiftcluster", "demo", NAMESPACE)
        self.assertEqual(failures, [])
        nodes = uids(NAMESPACE, "-l", STORAGE)
        self.assertEqual(nodes, {name: uid for name, uid in before.items() if name in nodes})

    def test_05_f_a_second_pool_serves_by_its_own_rules(self):
        name = {"name": "default", "replicas": 2, "config": {"proxy-server.conf": {"app:proxy-server": {"node_timeout": "9"}}}}
        backup = {"name": "backup", "replicas": 1, "config": {"swift.conf": {"swift-constraints": {"max_file_size": "5000"}}}}
        patch("swiftcluster", "demo", {"spec": {"proxies": [name, backup]}})
        wait_ready("swiftcluster", "demo", NAMESPACE)
        swift = Swift(NAMESPACE, "demo-proxy-backup")
        self.addCleanup(swift.close)
        swift.login()
        self.assertEqual(swift("GET", "/c/o1")[2], BODIES["o1"])
        self.assertEqual(swift("PUT", "/c/backup", b"x" * 6000)[0], 413)
        self.assertEqual(self.login()("PUT", "/c/backup", b"x" * 6000)[0], 201)
        patch("swiftcluster", "demo", {"spec": {"proxies": [name]}})
        wait_for("the pool is gone", lambda: "demo-proxy-backup" not in {
            found["metadata"]["name"] for found in get("deployments", "-n", NAMESPACE)})
        wait_ready("swiftcluster", "demo", NAMESPACE)

    def test_05_g_proxies_speak_tls_and_serve_a_new_certificate_without_a_restart(self):
        first, second = self.certificate("first"), self.certificate("second")
        store_certificate("demo-tls", first)
        pool = {"name": "default", "replicas": 2, "tls": {"secretName": "demo-tls"}}
        patch("swiftcluster", "demo", {"spec": {"proxies": [pool]}})
        wait_ready("swiftcluster", "demo", NAMESPACE)
        self.check_all_objects(self.login(authority=f"{first}.crt"))
        self.check_all_objects(self.login())
        before = uids(NAMESPACE, "-l", PROXY)
        store_certificate("demo-tls", second)
        client = Swift(NAMESPACE, authority=f"{second}.crt")
        self.addCleanup(client.close)
        # The kubelet brings the Secret into the pods within its sync period and a minute of cache.
        trusted = lambda: client.curl("GET", f"{client.base}/healthcheck", {})[0] == 200
        wait_for("the new certificate of every proxy", lambda: all(trusted() for _ in range(10)), 180)
        self.check_all_objects(client.login())
        self.assertEqual(before, uids(NAMESPACE, "-l", PROXY))

    def test_05_h_figures_are_shown_and_where_prometheus_is_missing_that_is_said(self):
        def page(path):
            return kubectl("get", "--raw", f"/api/v1/namespaces/{path}/proxy/metrics")
        operators = page(f"{SYSTEM}/services/swiftlet-operator:metrics")
        ready = f'swiftlet_operator_nodes_ready{{namespace="{NAMESPACE}",cluster="demo",zone="rack1"}} 1.0'
        self.assertIn(ready, operators.splitlines())
        nodes = page(f"{NAMESPACE}/pods/demo-rack1-0-0:6200")
        self.assertIn('swiftlet_device_mounted{server="object-server",device="d1"} 1.0', nodes.splitlines())
        self.assertEqual(nodes.count("swiftlet_ring_info{"), 3)
        is_there = "podmonitors.monitoring.coreos.com" in kubectl("get", "crd", "-o", "name")
        for enabled in (True, False):
            patch("swiftcluster", "demo", {"spec": {"monitoring": {"podMonitor": {"enabled": enabled}}}})
            if is_there:
                wait_for("a PodMonitor, and none", lambda: bool(get("podmonitor", "-n", NAMESPACE)) == enabled, 40)
            else:
                wait_for("advice, and none", lambda: enabled == ("PodMonitor" in condition(
                    get("swiftcluster", "demo", "-n", NAMESPACE), "Advice").get("message", "")), 40)

    def test_06_a_zone_grows_and_every_ring_follows(self):
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=2")
        wait_ready("swiftcluster", "demo", NAMESPACE)
        wait_for("generation 2 everywhere", lambda: settled_generation(NAMESPACE) == 2)
        zone = get("zone", "rack1", "-n", NAMESPACE)
        self.assertEqual(zone["status"]["nodesReady"], "2/2")
        self.check_all_objects(self.login())

    def test_07_a_second_rebalance_waits_for_replication(self):
        kubectl("scale", "zone", "rack2", "-n", NAMESPACE, "--replicas=2")
        wait_for("an event that says so", lambda: was_said("RingConverging", NAMESPACE))
        self.check_all_objects(self.login())
        wait_for("the next generation everywhere", lambda: (settled_generation(NAMESPACE) or 0) >= 3, 180)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        self.check_all_objects(self.login())

    def test_08_a_zone_whose_data_has_nowhere_to_go_runs_on(self):
        kubectl("delete", "zone", "rack3", "-n", NAMESPACE, "--wait=false")
        wait_for("a condition that says why", lambda: condition(
            get("zone", "rack3", "-n", NAMESPACE)).get("reason") == "DrainRefused")
        self.assertEqual(get("pod", "demo-rack3-0-0", "-n", NAMESPACE)["status"]["phase"], "Running")
        self.check_all_objects(self.login())

    def test_09_an_object_of_somebody_else_is_left_alone(self):
        make_namespace("e2e-taken")
        kubectl("create", "service", "clusterip", "demo-rack1-0", "--tcp=80", "-n", "e2e-taken")
        before = get("service", "demo-rack1-0", "-n", "e2e-taken")
        kubectl("apply", "-n", "e2e-taken", "-f", EXAMPLE)
        wait_for("the condition", lambda: condition(
            get("swiftcluster", "demo", "-n", "e2e-taken")).get("reason") == "NameTaken")
        after = get("service", "demo-rack1-0", "-n", "e2e-taken")
        self.assertEqual(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"])
        kubectl("delete", "namespace", "e2e-taken", "--wait=false")

    def test_10_nothing_is_written_when_nothing_changes(self):
        def versions():
            objects = get(EVERYTHING, "-n", NAMESPACE)
            return {(o["kind"], o["metadata"]["name"]): o["metadata"]["resourceVersion"] for o in objects}
        wait_for("ten quiet seconds", lambda: (lambda before: (time.sleep(10), versions() == before)[1])(versions()))
        before = versions()
        time.sleep(60)
        self.assertEqual(before, versions())

    def test_11_an_operator_killed_again_and_again_makes_one_cluster(self):
        make_namespace("e2e-killed")
        kubectl("apply", "-n", "e2e-killed", "-f", EXAMPLE)
        for _ in range(6):
            time.sleep(2)
            kubectl("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=swiftlet-operator",
                    "--force", "--grace-period=0")
        wait_ready("swiftcluster", "demo", "e2e-killed", 240)
        self.assertEqual(settled_generation("e2e-killed"), 1)
        secret = get("secret", "demo-hash-path", "-n", "e2e-killed")
        self.assertEqual(secret["metadata"].get("ownerReferences"), None)
        swift = Swift("e2e-killed").login()
        self.addCleanup(swift.close)
        self.assertIn(swift("PUT", "/c")[0], (201, 202))

    def test_12_data_outlives_the_cluster_resource(self):
        kubectl("delete", "swiftcluster", "demo", "-n", "e2e-killed")
        wait_for("its pods are gone", lambda: not get("pods", "-n", "e2e-killed", "-l", OURS), 180)
        self.assertEqual(len(get("pvc", "-n", "e2e-killed")), 6)
        kept = [c["metadata"]["name"] for c in get("configmaps", "-n", "e2e-killed", "-l", OURS)]
        self.assertIn("demo-rings", kept)
        kubectl("apply", "-n", "e2e-killed", "-f", EXAMPLE)
        wait_ready("swiftcluster", "demo", "e2e-killed", 240)
        swift = Swift("e2e-killed").login()
        self.addCleanup(swift.close)
        self.assertEqual(swift("HEAD", "/c")[0], 204)

    def test_13_a_zone_grows_by_a_device_and_its_ring_follows_once(self):
        namespace = "e2e-killed"
        swift = Swift(namespace).login()
        self.addCleanup(swift.close)
        for name, body in BODIES.items():
            self.assertEqual(swift("PUT", f"/c/{name}", body)[0], 201, name)
        # Nobody has to watch rack1 for ten minutes before rack2's turn comes.
        patch("swiftcluster", "demo", {"spec": {"upgrade": {"soak": "0s"}}}, namespace)
        before = uids(namespace, "-l", STORAGE)

        claim = add_device("rack1", namespace)
        wait_for("its volume", lambda: is_bound(claim, namespace))
        wait_for("generation 2 everywhere", lambda: settled_generation(namespace) == 2)
        wait_ready("swiftcluster", "demo", namespace)
        self.check_all_objects(swift)
        after = uids(namespace, "-l", STORAGE)
        self.assertEqual({name for name in after if after[name] != before.get(name)}, {"demo-rack1-0-0"})

        claim = add_device("rack2", namespace)
        wait_for("its volume", lambda: is_bound(claim, namespace))
        wait_for("the next generation everywhere", lambda: (settled_generation(namespace) or 0) >= 3, 180)
        wait_ready("swiftcluster", "demo", namespace)
        self.check_all_objects(swift)


if __name__ == "__main__":
    unittest.main(verbosity=1, failfast=True, argv=[sys.argv[0], *(f"Scenarios.{name}" for name in sys.argv[1:])])
