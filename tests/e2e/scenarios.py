"""What a platform team does with Swiftlet, in the order in which they would, on a real Kubernetes."""
import hashlib
import os
import random
import sys
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
STORAGE = "app.kubernetes.io/component=storage"
EVERYTHING = "swiftclusters,zones,statefulsets,deployments,services,configmaps,secrets,persistentvolumeclaims,pods"
# The same in every run, so that a scenario can be run again by itself.
RANDOM = random.Random(1)
BODIES = {f"o{i}": RANDOM.randbytes(1000 * (i + 1)) for i in range(20)} | {"large": RANDOM.randbytes(10_000_000)}


def make_namespace(name):
    """A namespace that takes no pod but such as meet the restricted Pod Security Standard."""
    kubectl("create", "namespace", name, check=False)
    kubectl("label", "namespace", name, "--overwrite", "pod-security.kubernetes.io/enforce=restricted")


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

    def login(self):
        swift = Swift(NAMESPACE)
        self.addCleanup(swift.close)
        return swift.login()

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
        failures, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                status = swift("PUT", "/c/during", b"x")[0]
                read = swift("GET", "/c/o1")
                if status != 201 or read[0] != 200 or read[2] != BODIES["o1"]:
                    failures.append((status, read[0]))
        thread = threading.Thread(target=load)
        thread.start()
        old = get("pod", "demo-rack1-0-0", "-n", NAMESPACE)["metadata"]["uid"]
        kubectl("delete", "pod", "demo-rack1-0-0", "-n", NAMESPACE)
        wait_for("another pod in its place", lambda: get("pod", "demo-rack1-0-0", "-n", NAMESPACE)["metadata"]["uid"] != old)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        stop.set()
        thread.join()
        self.assertEqual(failures, [])
        self.check_all_objects(swift)

    def test_06_a_zone_grows_and_every_ring_follows(self):
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=2")
        wait_ready("swiftcluster", "demo", NAMESPACE)
        wait_for("generation 2 everywhere", lambda: settled_generation(NAMESPACE) == 2)
        zone = get("zone", "rack1", "-n", NAMESPACE)
        self.assertEqual(zone["status"]["nodesReady"], "2/2")
        self.check_all_objects(self.login())

    def test_07_a_second_rebalance_waits_for_replication(self):
        kubectl("scale", "zone", "rack2", "-n", NAMESPACE, "--replicas=2")
        def held():
            events = get("events", "-n", NAMESPACE)
            return any(event["reason"] == "ReplicationNotBuilt" for event in events)
        wait_for("an event that says so", held)
        time.sleep(5)
        self.assertEqual(settled_generation(NAMESPACE), 2)
        self.check_all_objects(self.login())

    def test_08_a_zone_does_not_shrink_while_it_holds_data(self):
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=1")
        wait_for("the operator has seen it", lambda: cluster.is_current(get("zone", "rack1", "-n", NAMESPACE)))
        time.sleep(5)
        names = [pod["metadata"]["name"] for pod in get("pods", "-n", NAMESPACE, "-l", STORAGE)]
        self.assertIn("demo-rack1-1-0", names)
        claims = [claim["metadata"]["name"] for claim in get("pvc", "-n", NAMESPACE)]
        self.assertIn("d1-demo-rack1-1", claims)
        self.check_all_objects(self.login())

    def test_08_b_a_deleted_zone_runs_on_while_it_holds_data(self):
        kubectl("delete", "zone", "rack3", "-n", NAMESPACE)
        time.sleep(5)
        self.assertEqual(get("pod", "demo-rack3-0-0", "-n", NAMESPACE)["status"]["phase"], "Running")
        self.check_all_objects(self.login())
        kubectl("apply", "-n", NAMESPACE, "-f", EXAMPLE)
        wait_for("rack3 ready again", lambda: condition(get("zone", "rack3", "-n", NAMESPACE)).get("status") == "True")

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


if __name__ == "__main__":
    unittest.main(verbosity=1, failfast=True, argv=[sys.argv[0], *(f"Scenarios.{name}" for name in sys.argv[1:])])
