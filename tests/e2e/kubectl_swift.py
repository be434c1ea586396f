"""What a person does with `kubectl swift`, called as kubectl calls a plugin, on a real Kubernetes. Scenarios follow each
other on one cluster of a namespace of their own."""
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import cluster
from cluster import EXEC, Swift, get, kubectl, run, wait_for, wait_ready
from scenarios import BODIES, CHART, SYSTEM, make_namespace

NAMESPACE = "plugin"
PLUGIN = os.environ.get("KUBECTL_SWIFT", os.path.join(cluster.ROOT, "target/image/kubectl-swift"))
RING_BUILDER = os.path.join(os.environ.get("SWIFT_TEST_VENV", os.path.join(cluster.ROOT, "target/venv")), "bin/swift-ring-builder")
# Replicators that come by every few seconds: drains end when they have brought the data elsewhere.
QUICK = {f"{server}-server.conf": {f"{server}-replicator": {"interval": "3"}} for server in ("account", "container", "object")}
QUICK["object-server.conf"]["object-updater"] = {"interval": "3"}
os.environ["PATH"] = os.path.dirname(PLUGIN) + os.pathsep + os.environ["PATH"]


def swift(*args, stdin=None):
    return kubectl("swift", *args, "-n", NAMESPACE, stdin=stdin, timeout_s=180)


def refused(*args):
    """What it says where it must not work; nothing else will do."""
    done = subprocess.run([*EXEC, "kubectl", "swift", *args, "-n", NAMESPACE], capture_output=True, text=True, timeout=180)
    assert done.returncode != 0, f"{args} was not refused: {done.stdout}"
    assert "panicked" not in done.stderr, done.stderr
    return done.stderr


def status():
    return json.loads(swift("status", "--output", "json"))


def zone_manifest(name, number, nodes=1):
    devices = [{"name": device, "size": "1Gi"} for device in ("d1", "d2")]
    spec = {"cluster": "demo", "zone": number, "nodes": nodes, "devices": devices, "placement": {"zoneSeparation": "None"}}
    return {"apiVersion": "swiftlet.io/v1alpha1", "kind": "Zone", "metadata": {"name": name}, "spec": spec}


def manifests():
    spec = {"version": "0.1.0", "rings": {"partPower": 6, "replicas": 3, "minPartHours": 0}, "config": QUICK,
            "auth": {"tempauth": {"usersSecretName": "demo-users"}}, "upgrade": {"soak": "5s"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "demo-users"},
              "stringData": {"user_test_tester": "testing .admin"}}
    demo = {"apiVersion": "swiftlet.io/v1alpha1", "kind": "SwiftCluster", "metadata": {"name": "demo"}, "spec": spec}
    return [secret, demo, *(zone_manifest(f"rack{n}", n) for n in (1, 2, 3))]


def as_list(*objects):
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def pods_of(seen):
    return [node for zone in seen["zones"] for node in zone["nodes"]] + seen["proxies"]


def wait_settled(what, timeout_s=240):
    """Everything as asked, as `status` tells it: ready, in step, nothing to do, every partition in its place."""
    def settled():
        seen = status()
        same = all(pod["generation"] == seen["generation"] for pod in pods_of(seen))
        still = not seen["steps"] and not seen["held"] and not any(pod["misplaced"] for pod in pods_of(seen))
        zones = get("zone", "-n", NAMESPACE)
        return seen if seen["ready"] and same and still and all(map(cluster.is_current, zones)) else None
    try:
        return wait_for(what, settled, timeout_s, 2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{swift('status', '--all')}") from None


def nodes_of(seen, zone):
    return [node["name"] for found in seen["zones"] if found["name"] == zone for node in found["nodes"]]


def claims():
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in get("pvc", "-n", NAMESPACE)}


class Plugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_namespace(SYSTEM)
        run("helm", "upgrade", "--install", "swiftlet-operator", CHART, "-n", SYSTEM, "--wait", "--timeout", "2m",
            "--set", f"image.repository={cluster.IMAGES}/swiftlet-operator",
            "--set", f"nodeImage.repository={cluster.IMAGES}/swiftlet", timeout_s=180)
        make_namespace(NAMESPACE)
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.started = time.monotonic()

    def tearDown(self):
        print(f"  {time.monotonic() - self.started:5.1f} s  {self.id().rsplit('.', 1)[1]}", flush=True)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def client(self):
        client = Swift(NAMESPACE)
        self.addCleanup(client.close)
        return client.login()

    def check_all_objects(self):
        client = self.client()
        for name, body in BODIES.items():
            code, _, found = client("GET", f"/c/{name}")
            self.assertEqual((code, found == body), (200, True), name)

    def test_01_a_first_cluster_is_foretold_and_comes(self):
        foretold = swift("plan", "-f", "-", stdin=as_list_documents(manifests()))
        self.assertIn("swiftcluster/demo: new, 3 Zones", foretold)
        self.assertIn("PublishRings generation 1", foretold)
        self.assertIn("Nothing has been changed.", foretold)
        self.assertEqual(get("swiftclusters", "-n", NAMESPACE), [])
        kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=as_list(*manifests()))
        wait_ready("swiftcluster", "demo", NAMESPACE)
        seen = wait_settled("the new cluster")
        client = self.client()
        self.assertIn(client("PUT", "/c")[0], (201, 202))
        for name, body in BODIES.items():
            self.assertEqual(client("PUT", f"/c/{name}", body)[0], 201, name)
        self.assertEqual(seen["generation"], 1)

    def test_02_status_shows_every_node_and_device(self):
        def devices(seen):
            return [device for zone in seen["zones"] for node in zone["nodes"] for device in node["devices"]]
        # Nodes count every few seconds.
        wait_for("data on every device", lambda: all(device["partitions"] > 0 for device in devices(status())), 60)
        seen = status()
        self.assertEqual([zone["name"] for zone in seen["zones"]], ["rack1", "rack2", "rack3"])
        for zone in seen["zones"]:
            for node in zone["nodes"]:
                self.assertNotIn("silent", node)
                self.assertEqual([device["name"] for device in node["devices"]], ["d1", "d2"])
                for device in node["devices"]:
                    self.assertGreater(device["sizeBytes"], 0)
                    self.assertGreater(device["partitions"], 0)
                self.assertEqual(node["version"], "0.1.0")
        screen = swift("status", "demo")
        print(screen)
        self.assertTrue(screen.startswith("demo  Ready"), screen)
        self.assertRegex(screen, r"RINGS +g1, held by 5 of 5 pods")
        self.assertIn("PROXIES  2/2 ready", screen)
        self.assertIn("WAITING  for nothing", screen)
        self.assertIn("there is demo", refused("status", "nobody"))

    def test_03_recon_asks_one_node_or_all(self):
        everywhere = json.loads(swift("recon", "diskusage"))
        self.assertEqual(sorted(everywhere), ["demo-rack1-0", "demo-rack2-0", "demo-rack3-0"])
        self.assertEqual({device["device"] for device in everywhere["demo-rack1-0"]}, {"d1", "d2"})
        one = json.loads(swift("recon", "rack2/0", "version"))
        self.assertEqual(list(one), ["demo-rack2-0"])
        self.assertIn("404", refused("recon", "rack2/0", "nonsense"))
        self.assertIn("rack1, rack2, rack3", refused("recon", "rack9/0", "version"))

    def test_04_a_change_is_foretold_and_changes_nothing(self):
        before = get("zone", "rack1", "-n", NAMESPACE)["metadata"]["resourceVersion"]
        with open(self.path("rack1.yaml"), "w") as file:
            json.dump(zone_manifest("rack1", 1, nodes=2), file)
        print(swift("plan", "-f", self.path("rack1.yaml")))
        foretold = json.loads(swift("plan", "-f", self.path("rack1.yaml"), "--output", "json"))
        steps = [step["step"] for stage in foretold["stages"] for step in stage["steps"]]
        self.assertEqual(steps, ["StartNode", "PublishRings"])
        self.assertGreater(foretold["partitionReplicas"], 0)
        self.assertGreater(foretold["bytes"], 0)
        self.assertEqual(foretold["left"], [])
        self.assertIn("apart", refused("plan", "--without-zone", "rack3"))
        self.assertEqual(get("zone", "rack1", "-n", NAMESPACE)["metadata"]["resourceVersion"], before)
        kubectl("apply", "-n", NAMESPACE, "-f", self.path("rack1.yaml"))
        self.assertEqual(wait_settled("rack1 with two nodes")["generation"], 2)

    def test_05_rings_are_listed_shown_compared_and_exported(self):
        listed = json.loads(swift("ring", "list", "--output", "json"))
        self.assertEqual([ring["generation"] for ring in listed["generations"]], [2, 1])
        self.assertEqual([ring["inUse"] for ring in listed["generations"]], [True, False])
        self.assertEqual(listed["generations"][0]["rings"]["object"]["devices"], 8)
        shown = swift("ring", "show", "object", "--devices")
        self.assertEqual(len([line for line in shown.splitlines() if " demo-rack" in line]), 8)
        differs = swift("ring", "diff", "1", "2")
        self.assertIn("ring object: 2 devices added", differs)
        self.assertIn("those kept are 2, 1", refused("ring", "show", "object", "--generation", "7"))
        swift("ring", "export", self.path("rings"), "--generation", "1")
        self.assertEqual(len(os.listdir(self.path("rings"))), 6)
        self.assertIn("already", refused("ring", "export", self.path("rings")))
        if os.path.exists(RING_BUILDER):
            told = subprocess.run([RING_BUILDER, self.path("rings/object.builder")], capture_output=True, text=True).stdout
            self.assertIn("3.000000 replicas, 1 regions, 3 zones, 6 devices", told)
            self.assertIn("is up-to-date", told)

    def test_06_rings_are_not_rolled_back_below_what_is_declared(self):
        self.assertIn("the manifests ask for something else", refused("ring", "rollback", "1"))
        self.assertIn("already", refused("ring", "rollback", "2"))
        self.assertEqual(status()["generation"], 2)

    def test_07_a_cluster_with_rings_takes_no_others(self):
        self.assertIn("has rings already", refused("ring", "import", self.path("rings")))
        self.assertEqual(status()["generation"], 2)

    def test_08_a_node_drains_and_its_zone_shrinks(self):
        self.assertIn("its nodes are 0, 1", refused("drain", "rack1/7"))
        words = swift("drain", "demo-rack1-0", "--shrink", "--dry-run")
        self.assertIn("Nothing has been changed.", words)
        self.assertNotIn("nodeOverrides", get("zone", "rack1", "-n", NAMESPACE)["spec"])
        words = swift("drain", "demo-rack1-0", "--shrink")
        self.assertIn("spec.nodes goes to 1", words)
        seen = wait_settled("rack1 without its first node")
        self.assertEqual(nodes_of(seen, "rack1"), ["demo-rack1-1"])
        self.check_all_objects()
        self.assertIn("d1-demo-rack1-0", claims(), "volumeClaimDeletion: Retain")

    def test_09_a_mind_is_changed(self):
        swift("drain", "rack2/0")
        self.assertEqual(get("zone", "rack2", "-n", NAMESPACE)["spec"]["nodeOverrides"][0]["drain"], True)
        swift("undrain", "rack2/0")
        self.assertNotIn("nodeOverrides", get("zone", "rack2", "-n", NAMESPACE)["spec"])
        seen = wait_settled("rack2 as it was")
        self.assertEqual(nodes_of(seen, "rack2"), ["demo-rack2-0"])
        self.check_all_objects()

    def test_10_a_dead_disk_is_replaced(self):
        self.assertIn("its devices are d1, d2", refused("replace", "rack3/0", "--device", "d9"))
        before = claims()
        swift("replace", "rack3/0", "--device", "d1", "--failed")
        wait_for("another volume", lambda: claims().get("d1-demo-rack3-0", before["d1-demo-rack3-0"]) != before["d1-demo-rack3-0"])
        wait_settled("the disk refilled")
        after = claims()
        self.assertEqual({name for name in before if after[name] != before[name]}, {"d1-demo-rack3-0"})
        self.check_all_objects()

    def test_11_restarts_are_paused_and_resumed(self):
        swift("pause")
        self.assertTrue(get("swiftcluster", "demo", "-n", NAMESPACE)["spec"]["upgrade"]["paused"])
        self.assertIn("paused (kubectl swift resume)", swift("status"))
        swift("resume")
        self.assertFalse(get("swiftcluster", "demo", "-n", NAMESPACE)["spec"]["upgrade"]["paused"])
        self.assertEqual(get("swiftcluster", "demo", "-n", NAMESPACE)["spec"]["upgrade"]["soak"], "5s", "and nothing else changed")

    def test_12_a_lost_namespace_comes_back_on_its_volumes(self):
        backup = self.path("demo.tar.gz")
        swift("backup", "--to", backup)
        self.assertEqual(stat.S_IMODE(os.stat(backup).st_mode), 0o600)
        volumes = {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in get("pvc", "-n", NAMESPACE)}
        kubectl("delete", "namespace", NAMESPACE, timeout_s=300)
        make_namespace(NAMESPACE)
        self.assertEqual(get("pvc", "-n", NAMESPACE), [])
        swift("adopt", "--from", backup, "--dry-run")
        self.assertEqual(get("pvc", "-n", NAMESPACE), [])
        manifests = swift("adopt", "--from", backup)
        kubectl("apply", "-f", "-", stdin=manifests)
        wait_ready("swiftcluster", "demo", NAMESPACE, 240)
        wait_settled("the cluster that came back")
        back = {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in get("pvc", "-n", NAMESPACE)}
        self.assertEqual(back, {name: volumes[name] for name in back}, "each device has its own volume again")
        self.assertIn("d1-demo-rack1-1", back)
        self.check_all_objects()
        self.assertIn("other rings", refused("adopt", "--from", self.older_backup(backup)))

    def older_backup(self, backup):
        """The same with the rings of another cluster."""
        import io
        import tarfile
        other = self.path("other.tar.gz")
        with tarfile.open(backup) as old, tarfile.open(other, "w:gz") as new:
            for member in old.getmembers():
                content = old.extractfile(member).read()
                if member.name == "object.builder":
                    with open(self.path("rings/object.builder"), "rb") as file:
                        content = file.read()
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
        return other


def as_list_documents(objects):
    """Objects as a file of YAML documents: what `plan -f` reads."""
    return "\n---\n".join(map(json.dumps, objects))


if __name__ == "__main__":
    unittest.main(verbosity=1, failfast=True, argv=[sys.argv[0], *(f"Plugin.{name}" for name in sys.argv[1:])])
