"""Random changes one after the other on a real Kubernetes, under a client load that checks every byte: after each the
cluster must become what is asked, with nothing lost. The cluster must be one of tests/e2e/k8s (hosts are powered off,
disks wiped). usage: long_run.py [CHANGES=50] [SEED]"""
import os
import random
import signal
import subprocess
import sys
import time

import cluster
import day_two
from cluster import Swift, get, kubectl, recycle_disks, wait_ready
from day_two import DEVICES, Load, QUICK, nodes, patch, wait_settled
from scenarios import SYSTEM, make_namespace

K8S = os.path.join(cluster.ROOT, "tests/e2e/k8s")
RUN = os.path.join(os.environ.get("K8S_HOME", os.path.join(cluster.ROOT, "target/k8s")), "run", os.environ.get("K8S_NAME", "k8s"))
NAMESPACE = day_two.NAMESPACE = "long-run"
ZONES = day_two.ZONES
# The control plane runs on the first host.
HOSTS = ("n2", "n3")


class LongRun:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.replacements, self.concurrency = {}, 1

    def start(self):
        make_namespace(NAMESPACE)
        found = day_two.manifests()
        for manifest in found:
            if manifest["kind"] == "Zone":
                manifest["spec"]["placement"] = {"zoneSeparation": "Required"}
        day_two.apply(*found)
        wait_ready("swiftcluster", "demo", NAMESPACE)
        self.swift = Swift(NAMESPACE).login()
        assert self.swift("PUT", "/c")[0] in (201, 202)
        self.load = Load(self.swift)
        self.load.thread.start()

    def change(self):
        return self.random.choice([
            self.scale, self.scale, self.drain, self.replace, self.replace_by_hand, self.fewer_or_more_devices,
            self.configure, self.kill_operator, self.lose_a_pod, self.power_off, self.stop_the_api])()

    def zone(self):
        return self.random.choice(ZONES)

    def scale(self):
        zone, count = self.zone(), self.random.choice((1, 2))
        kubectl("scale", "zone", zone, "-n", NAMESPACE, f"--replicas={count}")
        return f"{zone} scaled to {count}"

    def drain(self):
        zone = self.zone()
        own = sorted(name for name in nodes() if f"-{zone}-" in name)
        ordinal = int(self.random.choice(own).rsplit("-", 1)[1])
        # Whoever was drained before comes back: no more than one at a time is out.
        patch("zone", zone, {"spec": {"nodeOverrides": [{"ordinal": ordinal, "drain": True}]}}, NAMESPACE)
        return f"{zone} node {ordinal} drained"

    def replaced(self, state):
        zone = self.zone()
        node = self.random.choice(sorted(name for name in nodes() if f"-{zone}-" in name))
        device = self.random.choice(DEVICES)["name"]
        key = (node, device)
        self.replacements[key] = self.replacements.get(key, 0) + 1
        said = get("zone", zone, "-n", NAMESPACE)["spec"].get("nodeOverrides", [])
        ordinal = int(node.rsplit("-", 1)[1])
        own = next((o for o in said if o["ordinal"] == ordinal), {"ordinal": ordinal})
        own["devices"] = [{"name": device, "state": state, "replacement": self.replacements[key]}]
        patch("zone", zone, {"spec": {"nodeOverrides": [own, *(o for o in said if o["ordinal"] != ordinal)]}}, NAMESPACE)
        return f"{device} of {node} replaced, {state}"

    def replace(self):
        return self.replaced("Failed")

    def replace_by_hand(self):
        return self.replaced("Healthy")

    def fewer_or_more_devices(self):
        zone = self.zone()
        devices = self.random.choice((DEVICES, [*DEVICES, {"name": "d3", "size": "1Gi"}]))
        patch("zone", zone, {"spec": {"devices": devices}}, NAMESPACE)
        return f"{zone} with {len(devices)} devices a node"

    def configure(self):
        self.concurrency = self.concurrency % 4 + 1
        replicator = {"interval": "3", "concurrency": str(self.concurrency)}
        config = {**QUICK, "object-server.conf": {"object-replicator": replicator}}
        patch("swiftcluster", "demo", {"spec": {"config": config}}, NAMESPACE)
        return f"concurrency {self.concurrency}, which rolls all nodes"

    def kill_operator(self):
        self.scale()
        for _ in range(3):
            time.sleep(self.random.random() * 4)
            kubectl("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=swiftlet-operator", "--force",
                    "--grace-period=0", check=False)
        return "operator killed three times during a scaling"

    def lose_a_pod(self):
        pod = self.random.choice(sorted(nodes())) + "-0"
        kubectl("delete", "pod", pod, "-n", NAMESPACE, "--force", "--grace-period=0")
        return f"pod {pod} deleted"

    def power_off(self):
        host = self.random.choice(HOSTS)
        subprocess.run([os.path.join(K8S, "power.sh"), "off", host], check=True, stdout=subprocess.DEVNULL)
        time.sleep(20)
        subprocess.run([os.path.join(K8S, "power.sh"), "on", host], check=True, stdout=subprocess.DEVNULL)
        return f"host {host} off for 20 s"

    def stop_the_api(self):
        with open(os.path.join(RUN, "apiserver.pid"), encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGSTOP)
        time.sleep(60)
        os.kill(pid, signal.SIGCONT)
        return "API server stopped for 60 s"


def main():
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    run = LongRun(seed)
    print(f"seed {seed}, {changes} changes", flush=True)
    run.start()
    began = time.monotonic()
    for number in range(1, changes + 1):
        recycle_disks()
        started = time.monotonic()
        what = run.change()
        wait_settled(what, 600)
        run.load.check_all()
        print(f"{number:3} {time.monotonic() - started:6.1f} s  {what}; {run.load.done} requests so far, "
              f"{len(run.load.wrong)} wrong", flush=True)
        assert not run.load.wrong, run.load.wrong
    run.load.stop.set()
    run.load.thread.join(120)
    run.load.check_all()
    assert not run.load.wrong, run.load.wrong
    print(f"{changes} changes in {time.monotonic() - began:.0f} s, {run.load.done} requests: 0 objects lost, 0 wrong bytes, "
          f"cluster {get('swiftcluster', 'demo', '-n', NAMESPACE)['status']['nodes']} nodes Ready")


if __name__ == "__main__":
    main()
