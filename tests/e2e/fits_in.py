"""What a platform team expects around the pods of a first-class operator, on a real Kubernetes: what pods carry and ask
for, drains of hosts, how clients reach proxies, who says how many there are. Scenarios follow each other on one cluster,
and need the operator that scenarios.py installs."""
import json
import subprocess
import sys
import tempfile
import time
import unittest

import cluster
from cluster import Swift, condition, get, kubectl, run, wait_for, wait_ready
from scenarios import PROXY, STORAGE, make_namespace, patch, uids

NAMESPACE = "fits"
ZONES = ("rack1", "rack2", "rack3")
ASKED = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
# Stand-ins for kinds that others define: only that they exist counts.
STAND_INS = (("gateway.networking.k8s.io", "HTTPRoute", "httproutes"), ("cert-manager.io", "Certificate", "certificates"))


def resource(kind, name, spec):
    return {"apiVersion": "swiftlet.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def manifests():
    pods = {"labels": {"team": "fits"}, "annotations": {"example.com/owner": "fits"}, "resources": ASKED}
    spec = {"version": "0.1.0", "rings": {"partPower": 6, "replicas": 3, "minPartHours": 0},
            "auth": {"tempauth": {"usersSecretName": "demo-users"}}, "upgrade": {"soak": "5s"}, "storagePods": pods,
            "proxies": [{"name": "default", "replicas": 2, "pods": pods}]}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "demo-users"},
              "stringData": {"user_test_tester": "testing .admin"}}
    zone = lambda name, n: resource("Zone", name, {"cluster": "demo", "zone": n, "nodes": 1,
                                                   "devices": [{"name": "d1", "size": "1Gi"}]})
    return [secret, resource("SwiftCluster", "demo", spec), *(zone(name, n + 1) for n, name in enumerate(ZONES))]


def apply(*objects, namespace=NAMESPACE):
    kubectl("apply", "-n", namespace, "-f", "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def stand_in(group, kind, plural):
    """A definition of somebody else's kind that takes anything."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}",
                         "annotations": {"api-approved.kubernetes.io": "unapproved, stands in for the real one in a test"}},
            "spec": {"group": group, "scope": "Namespaced", "names": names,
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}}


def pool(**fields):
    """Changes fields of the one pool; None takes a field away."""
    found = get("swiftcluster", "demo", "-n", NAMESPACE)["spec"]["proxies"][0] | fields
    patch("swiftcluster", "demo", {"spec": {"proxies": [{k: v for k, v in found.items() if v is not None}]}}, NAMESPACE)


def budgets():
    """maxUnavailable of the cluster's budgets over storage pods, by name."""
    found = get("poddisruptionbudgets", "-n", NAMESPACE, "-l", STORAGE)
    return {budget["metadata"]["name"]: budget["spec"]["maxUnavailable"] for budget in found}


def evict(pod, dry=True):
    """Whether Kubernetes lets the pod be evicted, and what it says."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    if dry:
        body["deleteOptions"] = {"dryRun": ["All"]}
    try:
        kubectl("create", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction", "-f", "-", stdin=json.dumps(body))
    except AssertionError as error:
        return str(error)
    return ""


def replicas():
    return get("deployment", "demo-proxy", "-n", NAMESPACE)["spec"]["replicas"]


def advice():
    return condition(get("swiftcluster", "demo", "-n", NAMESPACE), "Advice").get("message", "")


def exists(kind, name):
    found = kubectl("get", kind, name, "-n", NAMESPACE, "--ignore-not-found", "-o", "name")
    return bool(found.strip())


class FitsIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_namespace(NAMESPACE)
        apply(*manifests())
        wait_ready("swiftcluster", "demo", NAMESPACE)
        cls.swift = Swift(NAMESPACE).login()
        assert cls.swift("PUT", "/c")[0] in (201, 202)
        assert cls.swift("PUT", "/c/o", b"kept")[0] == 201

    @classmethod
    def tearDownClass(cls):
        cls.swift.close()

    def setUp(self):
        self.started = time.monotonic()

    def tearDown(self):
        print(f"  {time.monotonic() - self.started:5.1f} s  {self.id().rsplit('.', 1)[1]}", flush=True)
        self.assertEqual(self.swift("GET", "/c/o")[2], b"kept")

    def test_01_pods_carry_and_ask_for_what_they_are_told_to(self):
        pods = get("pods", "-n", NAMESPACE, "-l", "team=fits")
        self.assertEqual(len(pods), 5)
        for pod in pods:
            self.assertEqual(pod["metadata"]["annotations"]["example.com/owner"], "fits")
            self.assertEqual(pod["spec"]["containers"][0]["resources"], ASKED)

    def test_02_a_change_rolls_the_zones_pods_and_no_selector_changes(self):
        before = uids(NAMESPACE, "-l", STORAGE)
        selector = get("statefulset", "demo-rack2-0", "-n", NAMESPACE)["spec"]["selector"]
        patch("zone", "rack2", {"spec": {"pods": {"labels": {"tier": "fast"}, "resources": ASKED}}}, NAMESPACE)
        wait_for("rack2's pod with its new label", lambda: get("pods", "-n", NAMESPACE, "-l", "team=fits,tier=fast"))
        wait_ready("swiftcluster", "demo", NAMESPACE)
        after = uids(NAMESPACE, "-l", STORAGE)
        self.assertEqual({name for name in after if after[name] != before[name]}, {"demo-rack2-0-0"})
        self.assertEqual(get("statefulset", "demo-rack2-0", "-n", NAMESPACE)["spec"]["selector"], selector)

    def test_03_labels_that_objects_are_found_by_are_refused_at_admission(self):
        change = {"spec": {"pods": {"labels": {"swiftlet.io/zone": "rack1"}}}}
        with self.assertRaisesRegex(AssertionError, "labels by which the operator finds its objects"):
            patch("zone", "rack2", change, NAMESPACE)

    def test_04_the_zone_being_drained_is_open_and_the_others_are_shut(self):
        wait_for("one budget while all are whole", lambda: budgets() == {"demo-storage": 1}, 180)
        wait_for("room in it", lambda: evict("demo-rack2-0-0") == "", 60)
        host = get("pod", "demo-rack1-0-0", "-n", NAMESPACE)["spec"]["nodeName"]
        kubectl("cordon", host)
        try:
            self.assertEqual(evict("demo-rack1-0-0", dry=False), "")
            shut = {"demo-storage-rack2": 0, "demo-storage-rack3": 0}
            wait_for("rack1 open, the others shut", lambda: budgets() == shut, 60)
            for pod in ("demo-rack2-0-0", "demo-rack3-0-0"):
                wait_for(f"{pod} may not go", lambda: "disruption budget" in evict(pod), 30)
            self.assertEqual(self.swift("GET", "/c/o")[2], b"kept")
        finally:
            kubectl("uncordon", host)
        wait_for("one budget again", lambda: budgets() == {"demo-storage": 1}, 180)
        wait_ready("swiftcluster", "demo", NAMESPACE)

    def test_05_the_only_proxy_of_a_pool_does_not_block_a_drain(self):
        pool(replicas=1)
        wait_for("one proxy", lambda: len(uids(NAMESPACE, "-l", PROXY)) == 1)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        (name,) = uids(NAMESPACE, "-l", PROXY)
        wait_for("it may go", lambda: evict(name) == "", 60)
        pool(replicas=2)
        wait_ready("swiftcluster", "demo", NAMESPACE)

    def test_06_network_policies_come_and_go_and_no_pod_restarts(self):
        before = uids(NAMESPACE)
        patch("swiftcluster", "demo", {"spec": {"networkPolicy": {"enabled": True, "clients": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}}},
              NAMESPACE)
        wait_for("the policies", lambda: exists("networkpolicy", "demo-storage") and exists("networkpolicy", "demo-proxy"))
        storage = get("networkpolicy", "demo-storage", "-n", NAMESPACE)["spec"]
        self.assertEqual([port["port"] for port in storage["ingress"][0]["ports"]], [6200, 6201, 6202])
        # Where a plugin enforces them, the operator must still see its pods and clients their proxies.
        time.sleep(5)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        self.assertIn(self.swift("PUT", "/c")[0], (201, 202))
        patch("swiftcluster", "demo", {"spec": {"networkPolicy": None}}, NAMESPACE)
        wait_for("no policies", lambda: not get("networkpolicies", "-n", NAMESPACE))
        self.assertEqual(before, uids(NAMESPACE))

    def test_07_proxies_are_reached_as_the_spec_says_and_no_pod_restarts(self):
        before = uids(NAMESPACE)
        pool(service={"type": "NodePort", "annotations": {"example.com/a": "b"}, "externalTrafficPolicy": "Cluster"},
             ingress={"className": "none", "host": "store.example.com"})
        wait_for("a port of every host", lambda: get("service", "demo-proxy", "-n", NAMESPACE)["spec"]["type"] == "NodePort")
        service = get("service", "demo-proxy", "-n", NAMESPACE)
        self.assertEqual(service["metadata"]["annotations"]["example.com/a"], "b")
        wait_for("the Ingress", lambda: exists("ingress", "demo-proxy"))
        rule = get("ingress", "demo-proxy", "-n", NAMESPACE)["spec"]["rules"][0]
        self.assertEqual(rule["http"]["paths"][0]["backend"]["service"], {"name": "demo-proxy", "port": {"number": 8080}})
        if cluster.EXEC:
            addresses = get("nodes")[0]["status"]["addresses"]
            address = next(a["address"] for a in addresses if a["type"] == "InternalIP")
            port = service["spec"]["ports"][0]["nodePort"]
            answer = run("curl", "-sS", "--max-time", "10", f"http://{address}:{port}/healthcheck")
            self.assertEqual(answer, "OK")
        pool(service=None, ingress=None)
        wait_for("a Service as before", lambda: get("service", "demo-proxy", "-n", NAMESPACE)["spec"]["type"] == "ClusterIP")
        wait_for("no Ingress", lambda: not exists("ingress", "demo-proxy"))
        self.assertEqual(before, uids(NAMESPACE))

    def test_08_others_kinds_are_used_where_they_are_and_advised_where_not(self):
        there = [definition["metadata"]["name"] for definition in get("crds")]
        absent = [kind for kind in STAND_INS if f"{kind[2]}.{kind[0]}" not in there]
        pool(httpRoute={"parentRefs": [{"name": "public"}], "hostnames": ["store.example.com"]})
        if ("gateway.networking.k8s.io", "HTTPRoute", "httproutes") in absent:
            wait_for("advice", lambda: "install the Gateway API" in advice(), 60)
        apply(*(stand_in(*kind) for kind in absent))
        self.addCleanup(lambda: [kubectl("delete", "crd", f"{kind[2]}.{kind[0]}") for kind in absent])
        wait_for("the route", lambda: exists("httproutes.gateway.networking.k8s.io", "demo-proxy"), 90)
        wait_for("no advice about it", lambda: "install the Gateway API" not in advice(), 60)
        route = get("httproutes.gateway.networking.k8s.io", "demo-proxy", "-n", NAMESPACE)["spec"]
        self.assertEqual(route["rules"][0]["backendRefs"], [{"name": "demo-proxy", "port": 8080}])
        pool(httpRoute=None)
        wait_for("no route", lambda: not exists("httproutes.gateway.networking.k8s.io", "demo-proxy"), 90)

    def test_09_who_scales_the_proxies_has_the_say(self):
        kubectl("scale", "deployment", "demo-proxy", "-n", NAMESPACE, "--replicas=3")
        wait_for("advice", lambda: "kubectl scaled Deployment demo-proxy" in advice(), 90)
        time.sleep(5)
        self.assertEqual(replicas(), 3)
        # A rollout keeps them as many.
        pool(pods={"labels": {"team": "fits", "rolled": "yes"}})
        wait_for("other proxies", lambda: len(get("pods", "-n", NAMESPACE, "-l", f"{PROXY},rolled=yes")) == 3)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        self.assertEqual(replicas(), 3)
        # And so it is given back.
        patch("deployment", "demo-proxy", {"metadata": {"managedFields": [{}]}}, NAMESPACE)
        wait_for("as many as the spec asks for", lambda: replicas() == 2, 90)

    def test_10_an_autoscaler_has_the_say_until_it_goes(self):
        pool(autoscaling={"minReplicas": 2, "maxReplicas": 4}, pods={"resources": ASKED})
        wait_for("the autoscaler", lambda: exists("hpa", "demo-proxy"))
        wait_ready("swiftcluster", "demo", NAMESPACE)
        # As the autoscaler does it, which has no figures to go by here.
        kubectl("scale", "deployment", "demo-proxy", "-n", NAMESPACE, "--replicas=3")
        time.sleep(10)
        self.assertEqual(replicas(), 3)
        pool(autoscaling=None)
        wait_for("no autoscaler", lambda: not exists("hpa", "demo-proxy"), 90)
        wait_for("as many as the spec asks for", lambda: replicas() == 2, 90)
        wait_ready("swiftcluster", "demo", NAMESPACE)

    def test_11_a_certificate_is_asked_for_and_served(self):
        there = [definition["metadata"]["name"] for definition in get("crds")]
        if "certificates.cert-manager.io" in there:
            self.skipTest("cert-manager is here: it would have to have an issuer of this name")
        apply(stand_in(*STAND_INS[1]))
        self.addCleanup(kubectl, "delete", "crd", "certificates.cert-manager.io")
        pool(tls={"certificate": {"issuerRef": {"name": "ca"}, "dnsNames": ["store.example.com"]}})
        wait_for("the Certificate", lambda: exists("certificates.cert-manager.io", "demo-proxy"), 90)
        spec = get("certificates.cert-manager.io", "demo-proxy", "-n", NAMESPACE)["spec"]
        self.assertEqual(spec["secretName"], "demo-proxy-tls")
        self.assertIn("demo-proxy.fits.svc", spec["dnsNames"])
        # Nobody signs here, so the Secret is made by hand; pods wait for it and then serve it.
        with tempfile.TemporaryDirectory() as folder:
            address = get("service", "demo-proxy", "-n", NAMESPACE)["spec"]["clusterIP"]
            path = f"{folder}/tls"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                 "/CN=fits", "-addext", f"subjectAltName=IP:{address},IP:127.0.0.1", "-keyout", f"{path}.key", "-out",
                 f"{path}.crt"], check=True, capture_output=True)
            secret = kubectl("create", "secret", "tls", "demo-proxy-tls", "-n", NAMESPACE, f"--cert={path}.crt",
                             f"--key={path}.key", "--dry-run=client", "-o", "json")
            kubectl("apply", "-f", "-", stdin=secret)
            wait_ready("swiftcluster", "demo", NAMESPACE)
            client = Swift(NAMESPACE, authority=f"{path}.crt").login()
            self.addCleanup(client.close)
            self.assertEqual(client("GET", "/c/o")[2], b"kept")


if __name__ == "__main__":
    unittest.main(verbosity=1, failfast=True, argv=[sys.argv[0], *(f"FitsIn.{name}" for name in sys.argv[1:])])
