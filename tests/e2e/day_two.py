"""Growing, shrinking, draining, replacing and upgrading a cluster on a real Kubernetes, under a client load that checks
every byte. Scenarios follow each other on one cluster."""
import hashlib
import json
import random
import sys
import threading
import time
import unittest

import cluster
from cluster import Swift, condition, get, kubectl, recycle_disks, wait_for, wait_ready
from scenarios import STORAGE, make_namespace, patch, pod_status, settled_generation, uids

NAMESPACE = "day-two"
ZONES = ("rack1", "rack2", "rack3")
# Daemons that come by every few seconds: a drain ends when replication has brought the data elsewhere.
QUICK = {f"{server}-server.conf": {f"{server}-replicator": {"interval": "3"}} for server in ("account", "container", "object")}
QUICK["object-server.conf"]["object-updater"] = {"interval": "3"}
DEVICES = [{"name": name, "size": "1Gi"} for name in ("d1", "d2")]


def manifests():
    """The example cluster with quick daemons, whose Zones may share hosts and whose drained volumes go."""
    spec = {"version": "0.1.0", "rings": {"partPower": 6, "replicas": 3, "minPartHours": 0},
            "auth": {"tempauth": {"usersSecretName": "demo-users"}}, "proxies": [{"name": "default", "replicas": 2}],
            "config": QUICK, "upgrade": {"soak": "5s"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "demo-users"},
              "stringData": {"user_test_tester": "testing .admin"}}
    found = [secret, resource("SwiftCluster", "demo", spec)]
    return found + [zone_manifest(name, n + 1) for n, name in enumerate(ZONES)]


def resource(kind, name, spec):
    return {"apiVersion": "swiftlet.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def zone_manifest(name, number, nodes=1):
    spec = {"cluster": "demo", "zone": number, "nodes": nodes, "devices": DEVICES, "volumeClaimDeletion": "Delete",
            "placement": {"zoneSeparation": "None"}}
    return resource("Zone", name, spec)


def apply(*objects):
    kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def plan():
    return get("configmap", "demo-plan", "-n", NAMESPACE)["data"]["plan.yaml"]


def ready_message():
    return condition(get("swiftcluster", "demo", "-n", NAMESPACE)).get("message", "")


def nodes():
    return {pod["metadata"]["labels"]["swiftlet.io/node"] for pod in get("pods", "-n", NAMESPACE, "-l", STORAGE)}


def claims():
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in get("pvc", "-n", NAMESPACE)
            if "deletionTimestamp" not in claim["metadata"]}


def misplaced():
    """Partitions that are not where the current rings have them."""
    count = 0
    for pod in get("pods", "-n", NAMESPACE, "-l", STORAGE):
        for device in pod_status(NAMESPACE, pod["metadata"]["name"])["devices"]:
            count += sum(held["misplaced"] for held in device["rings"].values())
    return count


def wait_settled(what, timeout_s=240):
    """As asked, nothing to do and nothing to wait for, and every partition in its place."""
    def settled():
        found = [get("swiftcluster", "demo", "-n", NAMESPACE), *get("zone", "-n", NAMESPACE)]
        ready = all(cluster.is_current(one) and condition(one).get("status") == "True" for one in found)
        return ready and plan() == "steps: []\nheld: []\n" and settled_generation(NAMESPACE) and misplaced() == 0
    try:
        wait_for(what, settled, timeout_s, 2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.explain(NAMESPACE)}") from None


class Load:
    """A client that writes and reads all the time, and knows every byte it was promised to find again."""

    def __init__(self, swift):
        self.swift, self.random = swift, random.Random(time.time())
        self.kept, self.wrong, self.done = {}, [], 0
        # What is kept changes with each PUT: nobody compares with it in between.
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            name, body = f"load/{number % 200}", self.random.randbytes(self.random.choice((10, 3000, 100_000)))
            with self.lock:
                status = self.swift("PUT", f"/c/{name}", body)[0]
                if status == 201:
                    self.kept[name] = hashlib.md5(body).hexdigest()
                else:
                    self.wrong.append(f"PUT {name}: {status}")
                    self.kept.pop(name, None)
            self.check(self.random.choice(list(self.kept)))
            self.done += 2

    def check(self, name):
        with self.lock:
            status, _, body = self.swift("GET", f"/c/{name}", X_Newest="true")
            if status != 200 or hashlib.md5(body).hexdigest() != self.kept[name]:
                self.wrong.append(f"GET {name}: {status}, {len(body)} bytes")

    def check_all(self):
        for name in list(self.kept):
            self.check(name)


class DayTwo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_namespace(NAMESPACE)
        apply(*manifests())
        wait_ready("swiftcluster", "demo", NAMESPACE)
        cls.swift = Swift(NAMESPACE).login()
        assert cls.swift("PUT", "/c")[0] in (201, 202)
        cls.background = Load(cls.swift)
        cls.background.thread.start()

    @classmethod
    def tearDownClass(cls):
        cls.background.stop.set()
        cls.background.thread.join(120)
        cls.swift.close()

    def setUp(self):
        recycle_disks()
        self.started = time.monotonic()

    def tearDown(self):
        background = self.background
        print(f"  {time.monotonic() - self.started:5.1f} s  {self.id().rsplit('.', 1)[1]}, {background.done} requests so far",
              flush=True)
        self.assertEqual(background.wrong, [])

    def test_01_zones_grow_one_after_the_other(self):
        wait_settled("the new cluster")
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=2")
        wait_settled("rack1 with two nodes")
        kubectl("scale", "zone", "rack2", "-n", NAMESPACE, "--replicas=2")
        kubectl("scale", "zone", "rack3", "-n", NAMESPACE, "--replicas=2")
        wait_settled("all with two nodes")
        self.assertEqual(len(nodes()), 6)

    def test_02_a_zone_shrinks_once_its_last_node_is_empty(self):
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=1")
        wait_for("it says what it waits for", lambda: "demo-rack1-1" in plan() and "Draining" in plan(), 60, 0.2)
        wait_settled("rack1 with one node")
        self.assertNotIn("demo-rack1-1", nodes())
        self.assertNotIn("d1-demo-rack1-1", claims())
        self.background.check_all()

    def test_03_a_mind_changed_half_way_brings_the_node_back(self):
        kubectl("scale", "zone", "rack2", "-n", NAMESPACE, "--replicas=1")
        wait_for("it drains", lambda: "demo-rack2-1" in plan(), 60, 0.2)
        kubectl("scale", "zone", "rack2", "-n", NAMESPACE, "--replicas=2")
        wait_settled("rack2 with two nodes")
        self.assertIn("demo-rack2-1", nodes())

    def test_04_any_node_leaves_and_another_comes_in_its_place(self):
        patch("zone", "rack2", {"spec": {"nodeOverrides": [{"ordinal": 0, "drain": True}]}}, NAMESPACE)
        wait_settled("rack2 without its first node")
        self.assertEqual({name for name in nodes() if "rack2" in name}, {"demo-rack2-1", "demo-rack2-2"})
        self.background.check_all()

    def test_05_a_dead_disk_is_replaced_in_its_place(self):
        before, generation = claims(), settled_generation(NAMESPACE)
        failed = {"name": "d1", "state": "Failed", "replacement": 1}
        patch("zone", "rack3", {"spec": {"nodeOverrides": [{"ordinal": 0, "devices": [failed]}]}}, NAMESPACE)
        wait_for("another volume", lambda: claims().get("d1-demo-rack3-0", before["d1-demo-rack3-0"]) != before["d1-demo-rack3-0"])
        wait_settled("the disk refilled")
        after = claims()
        self.assertEqual({name for name in after if after[name] != before.get(name)}, {"d1-demo-rack3-0"})
        self.assertEqual(settled_generation(NAMESPACE), generation, "the same place in the rings")
        self.background.check_all()

    def test_06_a_dead_disk_without_a_new_one_leaves_the_rings(self):
        failed = {"name": "d2", "state": "Failed"}
        patch("zone", "rack3", {"spec": {"nodeOverrides": [{"ordinal": 1, "devices": [failed]}]}}, NAMESPACE)
        wait_settled("the node without it")
        self.assertNotIn("d2-demo-rack3-1", claims())
        patch("zone", "rack3", {"spec": {"nodeOverrides": []}}, NAMESPACE)
        wait_settled("a new disk in its place")
        self.assertIn("d2-demo-rack3-1", claims())
        self.background.check_all()

    def test_07_a_zone_comes_and_goes(self):
        apply(zone_manifest("rack4", 4))
        wait_settled("a fourth Zone")
        kubectl("delete", "zone", "rack4", "-n", NAMESPACE, "--wait=false")
        wait_for("the Zone is gone", lambda: "rack4" not in {zone["metadata"]["name"] for zone in get("zone", "-n", NAMESPACE)}, 180)
        wait_settled("three Zones")
        self.assertFalse(any("rack4" in name for name in claims()))
        self.background.check_all()

    def test_08_a_device_leaves_every_node_of_a_zone(self):
        patch("zone", "rack1", {"spec": {"devices": [*DEVICES, {"name": "d3", "size": "1Gi"}]}}, NAMESPACE)
        wait_settled("three devices a node")
        patch("zone", "rack1", {"spec": {"devices": DEVICES}}, NAMESPACE)
        wait_settled("two devices a node")
        self.assertNotIn("d3-demo-rack1-0", claims())

    def test_09_a_bad_image_stops_in_the_canary_zone_and_a_corrected_spec_recovers(self):
        before = uids(NAMESPACE, "-l", STORAGE)
        upgrade = {"soak": "5s", "canaryZone": "rack2"}
        patch("swiftcluster", "demo", {"spec": {"image": f"{cluster.IMAGES}/swiftlet:nonsense", "upgrade": upgrade}}, NAMESPACE)
        wait_for("a node of the canary Zone down", lambda: condition(
            get("zone", "rack2", "-n", NAMESPACE), "Degraded").get("status") == "True")
        time.sleep(10)
        after = uids(NAMESPACE, "-l", STORAGE)
        changed = {name for name in before if after.get(name) != before[name]}
        self.assertEqual((len(changed), {name.rsplit("-", 2)[0] for name in changed}), (1, {"demo-rack2"}))
        kubectl("patch", "swiftcluster", "demo", "-n", NAMESPACE, "--type=json", "-p", '[{"op": "remove", "path": "/spec/image"}]')
        wait_settled("the old image everywhere")

    def test_10_restarts_wait_for_their_window(self):
        # A day that today is not, in UTC.
        days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        another = days[(time.gmtime().tm_wday + 3) % 7]
        windows = [{"days": [another], "start": "02:00", "duration": "1h"}]
        config = {**QUICK, "object-server.conf": {"object-replicator": {"interval": "4"}}}
        before = uids(NAMESPACE, "-l", STORAGE)
        patch("swiftcluster", "demo", {"spec": {"config": config, "upgrade": {"windows": windows}}}, NAMESPACE)
        wait_for("it says when", lambda: "OutsideWindow" in plan(), 60)
        self.assertEqual(before, uids(NAMESPACE, "-l", STORAGE))
        patch("swiftcluster", "demo", {"spec": {"upgrade": {"windows": []}}}, NAMESPACE)
        wait_settled("all restarted")
        self.assertEqual(set(before.values()) & set(uids(NAMESPACE, "-l", STORAGE).values()), set())
        self.background.check_all()

    def test_11_replicas_stay_apart_until_a_person_allows_otherwise(self):
        kubectl("delete", "zone", "rack3", "-n", NAMESPACE, "--wait=false")
        wait_for("it says why not", lambda: "allowReducedSeparation" in ready_message(), 60)
        self.assertIn("demo-rack3-0", nodes())
        patch("swiftcluster", "demo", {"spec": {"rings": {"allowReducedSeparation": True}}}, NAMESPACE)
        wait_for("the Zone is gone", lambda: "rack3" not in {zone["metadata"]["name"] for zone in get("zone", "-n", NAMESPACE)}, 240)
        wait_settled("two Zones")
        self.background.check_all()


if __name__ == "__main__":
    unittest.main(verbosity=1, failfast=True, argv=[sys.argv[0], *(f"DayTwo.{name}" for name in sys.argv[1:])])
