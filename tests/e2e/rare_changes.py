"""Changes that come seldom, on a real Kubernetes under a client load that checks every byte: a region, weights, larger
volumes, a node with all its disks, another image in the order of the spec, another operator. The cluster must be one of
tests/e2e/k8s: images get a second name, and volumes grow by hand. Scenarios follow each other on one cluster."""
import os
import subprocess
import sys
import time
import unittest

import cluster
import day_two
from cluster import Swift, get, kubectl, recycle_disks, run, wait_for, wait_ready
from day_two import DEVICES, Load, claims, nodes, patch, wait_settled, zone_manifest
from scenarios import CHART, OPERATOR, PROXY, STORAGE, SYSTEM, make_namespace, pod_status, settled_generation, uids

NAMESPACE = day_two.NAMESPACE = "rare-changes"
K8S = os.path.join(cluster.ROOT, "tests/e2e/k8s")
OTHER_TAG = "0.1.0-other"


def name_again(image):
    """Gives an image of ours a second name on every host."""
    script = f'''. {K8S}/env.sh; for socket in "$RUN"/n*/containerd.sock; do
        ctr -a "$socket" -n k8s.io images tag --force localhost/{image}:0.1.0 localhost/{image}:{OTHER_TAG}; done'''
    subprocess.run(["bash", "-c", script], check=True, stdout=subprocess.DEVNULL)


def zone_with(number, name, region):
    manifest = zone_manifest(name, number)
    manifest["spec"]["region"] = region
    return manifest


def partitions(node):
    """How many partitions of objects each device of a node is to hold: as its weight says, once all is in place."""
    found = pod_status(NAMESPACE, f"{node}-0")["devices"]
    return {device["name"]: device["rings"]["object"]["partitions"] for device in found}


def uneven(node):
    """By how many partitions the devices of a node differ: devices of equal weight hold alike, but for a few."""
    held = partitions(node).values()
    return max(held) - min(held)


def operator_image():
    return get(OPERATOR, "-n", SYSTEM)["spec"]["template"]["spec"]["containers"][0]["image"]


class Watch:
    """Follows which pods are new, in the order in which they came, and how many of the storage pods were not ready at once."""

    def __init__(self):
        self.before = uids(NAMESPACE, "-l", STORAGE) | uids(NAMESPACE, "-l", PROXY)
        self.order, self.down_max = [], 0

    def look(self):
        down = 0
        for pod in get("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=swiftlet-operator"):
            meta = pod["metadata"]
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            is_storage = meta["labels"]["app.kubernetes.io/component"] == "storage"
            down += is_storage and not ready
            place = meta["labels"]["swiftlet.io/zone"] if is_storage else "proxies"
            if self.before.get(meta["name"]) != meta["uid"] and place not in self.order:
                self.order.append(place)
        self.down_max = max(self.down_max, down)

    def until_settled(self, what):
        deadline = time.monotonic() + 400
        while time.monotonic() < deadline:
            self.look()
            if "proxies" in self.order and day_two.plan() == "steps: []\nheld: []\n":
                return wait_settled(what)
        raise AssertionError(f"{what}: {self.order}\n{day_two.plan()}")


class RareChanges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_namespace(NAMESPACE)
        recycle_disks()
        day_two.apply(*day_two.manifests())
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
        print(f"  {time.monotonic() - self.started:5.1f} s  {self.id().rsplit('.', 1)[1]}, {self.background.done} requests so far",
              flush=True)
        self.background.check_all()
        self.assertEqual(self.background.wrong, [])

    def test_01_a_region_comes_and_goes(self):
        wait_settled("the new cluster")
        day_two.apply(zone_with(1, "far1", 2), zone_with(2, "far2", 2))
        wait_settled("a second region")
        self.assertTrue(all(any(partitions(f"demo-{zone}-0").values()) for zone in ("far1", "far2")))
        kubectl("delete", "zone", "far1", "far2", "-n", NAMESPACE, "--wait=false")
        # The last region but one: that replicas lie in two of them ends, which a person has to allow.
        wait_for("it says why not", lambda: "allowReducedSeparation" in day_two.plan(), 120)
        patch("swiftcluster", "demo", {"spec": {"rings": {"allowReducedSeparation": True}}}, NAMESPACE)
        wait_for("the region is gone", lambda: len(get("zone", "-n", NAMESPACE)) == 3, 240)
        patch("swiftcluster", "demo", {"spec": {"rings": {"allowReducedSeparation": False}}}, NAMESPACE)
        wait_settled("one region")
        self.assertFalse(any("far" in name for name in claims()))

    def test_02_a_higher_weight_brings_more(self):
        self.assertLess(uneven("demo-rack1-0"), 4)
        heavier = [DEVICES[0], {**DEVICES[1], "weightPercent": 300}]
        patch("zone", "rack1", {"spec": {"devices": heavier}}, NAMESPACE)
        wait_settled("d2 heavier")
        held = partitions("demo-rack1-0")
        self.assertGreater(held["d2"], 2 * held["d1"], held)
        patch("zone", "rack1", {"spec": {"devices": DEVICES}}, NAMESPACE)
        wait_settled("both alike")
        self.assertLess(uneven("demo-rack1-0"), 4)

    def test_03_a_larger_volume_weighs_more(self):
        before = uids(NAMESPACE, "-l", STORAGE)
        patch("zone", "rack2", {"spec": {"devices": [DEVICES[0], {**DEVICES[1], "size": "6Gi"}]}}, NAMESPACE)
        claim = "d2-demo-rack2-0"
        wait_for("the volume is asked to grow", lambda: get("pvc", claim, "-n", NAMESPACE)["spec"]["resources"]["requests"]["storage"] == "6Gi")
        # What a storage driver does, where the cluster has none.
        grown = '{"status": {"capacity": {"storage": "6Gi"}}}'
        kubectl("patch", "pvc", claim, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", grown)
        wait_for("a weight that follows", lambda: (settled_generation(NAMESPACE) or 0) > 0 and partitions("demo-rack2-0")["d2"] > 40)
        wait_settled("d2 larger")
        held = partitions("demo-rack2-0")
        self.assertGreater(held["d2"], 2 * held["d1"], held)
        self.assertEqual(uids(NAMESPACE, "-l", STORAGE), before, "no pod restarts for it")

    def test_04_a_dead_node_is_replaced_with_all_its_disks(self):
        before, generation = claims(), settled_generation(NAMESPACE)
        failed = [{"name": device["name"], "state": "Failed", "replacement": 1} for device in DEVICES]
        patch("zone", "rack3", {"spec": {"nodeOverrides": [{"ordinal": 0, "devices": failed}]}}, NAMESPACE)
        own = {f"{device['name']}-demo-rack3-0" for device in DEVICES}
        def is_replaced():
            recycle_disks()
            after = claims()
            return all(after.get(name, before[name]) != before[name] for name in own)
        wait_for("other volumes", is_replaced, 240, 3)
        wait_settled("the node refilled")
        after = claims()
        self.assertEqual({name for name in after if after[name] != before.get(name)}, own)
        self.assertEqual(settled_generation(NAMESPACE), generation, "the same places in the rings")

    def test_05_another_image_rolls_in_the_order_of_the_spec_and_back(self):
        name_again("swiftlet")
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=2")
        wait_settled("two nodes in rack1")
        watch, upgrade = Watch(), {"soak": "1s", "order": ["rack3", "rack1"], "canaryZone": "rack2"}
        patch("swiftcluster", "demo", {"spec": {"image": f"{cluster.IMAGES}/swiftlet:{OTHER_TAG}", "upgrade": upgrade}}, NAMESPACE)
        watch.until_settled("the other image everywhere")
        self.assertEqual(watch.order, ["rack2", "rack3", "rack1", "proxies"])
        self.assertEqual(watch.down_max, 1)
        watch = Watch()
        kubectl("patch", "swiftcluster", "demo", "-n", NAMESPACE, "--type=json",
                "-p", '[{"op": "remove", "path": "/spec/image"}, {"op": "replace", "path": "/spec/upgrade/maxUnavailable", "value": 2}]')
        watch.until_settled("the old image everywhere")
        self.assertEqual(watch.order, ["rack2", "rack3", "rack1", "proxies"])
        self.assertLessEqual(watch.down_max, 2)
        kubectl("scale", "zone", "rack1", "-n", NAMESPACE, "--replicas=1")
        wait_settled("one node in rack1")
        self.assertEqual(len(nodes()), 3)

    def test_06_another_operator_restarts_nothing(self):
        name_again("swiftlet-operator")
        before = uids(NAMESPACE)
        run("helm", "upgrade", "swiftlet-operator", CHART, "-n", SYSTEM, "--wait", "--timeout", "2m", "--reuse-values",
            "--set", f"image.tag={OTHER_TAG}", timeout_s=180)
        self.assertTrue(operator_image().endswith(OTHER_TAG), operator_image())
        # Its first passes are over when it has carried out something new.
        patch("zone", "rack1", {"spec": {"devices": [*DEVICES, {"name": "d3", "size": "1Gi"}]}}, NAMESPACE)
        wait_for("a third device", lambda: "d3-demo-rack1-0" in claims())
        wait_settled("three devices in rack1")
        after = uids(NAMESPACE)
        changed = {name for name in before if after.get(name) != before[name]}
        self.assertEqual(changed, {"demo-rack1-0-0"}, "but for the pod that gets a volume more")


if __name__ == "__main__":
    unittest.main(verbosity=1, failfast=True, argv=[sys.argv[0], *(f"RareChanges.{name}" for name in sys.argv[1:])])
