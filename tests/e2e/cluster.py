"""What the scenarios stand on: kubectl, helm and a Swift client, run where they can reach the cluster.

E2E_EXEC, where set, is a command that runs its arguments inside the cluster's network; otherwise the Service is
reached through `kubectl port-forward`.
"""
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time

EXEC = shlex.split(os.environ.get("E2E_EXEC", ""))
IMAGES = os.environ.get("E2E_IMAGES", "localhost")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FORWARDED_PORT = 18080
# Of the Services of proxies.
PLAIN_PORT, TLS_PORT = 8080, 8443


def run(*args, stdin=None, check=True, timeout_s=120):
    """Runs a command where the cluster can be reached; its standard output as text."""
    done = subprocess.run([*EXEC, *args], input=stdin, capture_output=True, text=True, timeout=timeout_s)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*args, **kwargs):
    return run("kubectl", *args, **kwargs)


def get(kind, *args):
    """Objects as kubectl prints them in JSON: one, or the items of a list."""
    found = json.loads(kubectl("get", kind, *args, "-o", "json"))
    return found.get("items", found)


def wait_for(what, condition, timeout_s=120, every_s=1):
    """Waits until `condition` returns something true, and returns that. Errors of kubectl count as not yet."""
    deadline = time.monotonic() + timeout_s
    last = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except AssertionError as error:
            last = error
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s} s: {what} (last: {last})")


def condition(resource, type_="Ready"):
    """A condition of a resource read before; empty where it has none."""
    conditions = resource.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == type_), {})


def is_current(resource):
    return resource.get("status", {}).get("observedGeneration") == resource["metadata"]["generation"]


def wait_ready(kind, name, namespace, timeout_s=180):
    def ready():
        found = get(kind, name, "-n", namespace)
        return is_current(found) and condition(found).get("status") == "True"
    try:
        wait_for(f"{kind} {name} ready", ready, timeout_s)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{explain(namespace)}") from None


def explain(namespace):
    """Why a cluster is not what it should be, as far as it can be told."""
    said = [f"{c['type']}={c['status']} {c.get('reason')}: {c.get('message')}"
            for found in (*get("swiftcluster", "-n", namespace), *get("zone", "-n", namespace))
            for c in found.get("status", {}).get("conditions", [])]
    plans = [found["data"].get("plan.yaml", "") for found in get("configmap", "-n", namespace)
             if found["metadata"]["name"].endswith("-plan")]
    pods = [pod["metadata"]["name"] for pod in get("pods", "-n", namespace)
            if pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "storage"]
    told = [f"{pod}: " + kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:6206/proxy/status", check=False)
            + "\n" + kubectl("logs", "-n", namespace, pod, "--tail=20", check=False) for pod in pods]
    return "\n".join([*said, *plans, *told, kubectl("get", "pods,pvc", "-n", namespace, "-o", "wide", check=False),
                      kubectl("get", "events", "-n", namespace, "--sort-by=.lastTimestamp", check=False)[-4000:]])


def pod_status(namespace, pod):
    """What a pod says of its rings, asked through the API server."""
    return json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:6206/proxy/status"))


def recycle_disks():
    """What a provisioner does, where the cluster has none: a disk whose claim is gone is emptied and may be claimed again."""
    for volume in get("pv"):
        path = volume["spec"].get("local", {}).get("path")
        if volume["status"]["phase"] == "Released" and path and os.path.isdir(path):
            for entry in os.scandir(path):
                shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
            kubectl("patch", "pv", volume["metadata"]["name"], "--type=json", "-p", '[{"op": "remove", "path": "/spec/claimRef"}]')


class Swift:
    """A client of one cluster, through its proxy Service, with curl; over TLS where it is told whom to trust."""

    def __init__(self, namespace, service="demo-proxy", authority=None):
        self.authority = authority
        scheme, port = ("https", TLS_PORT) if authority else ("http", PLAIN_PORT)
        self.stack = contextlib.ExitStack()
        if EXEC:
            address = get("service", service, "-n", namespace)["spec"]["clusterIP"]
            self.base = f"{scheme}://{address}:{port}"
        else:
            forward = ["kubectl", "port-forward", "-n", namespace, f"service/{service}", f"{FORWARDED_PORT}:{port}"]
            process = subprocess.Popen(forward, stdout=subprocess.DEVNULL)
            self.stack.callback(process.wait)
            self.stack.callback(process.terminate)
            self.base = f"{scheme}://127.0.0.1:{FORWARDED_PORT}"
        self.url = self.token = None

    def close(self):
        self.stack.close()

    def login(self, user="test:tester", key="testing"):
        def try_it():
            status, headers, _ = self.curl("GET", f"{self.base}/auth/v1.0", {"X-Auth-User": user, "X-Auth-Key": key})
            if status != 200:
                return False
            self.token = headers["x-auth-token"]
            # The storage URL names whatever host the client asked for; its path is what counts.
            self.url = self.base + "/" + headers["x-storage-url"].split("/", 3)[3]
            return True
        wait_for("a token", try_it, 60)
        return self

    def __call__(self, method, path="", body=None, **headers):
        """(status, headers, body) of a request below the account, tried again where swiftclient would."""
        for pause_s in (1, 2, 4, 8, 16):
            answer = self.once(method, path, body, **headers)
            if 0 < answer[0] < 500:
                return answer
            print(f"{time.strftime('%H:%M:%S')} {method} {path}: {answer[0]}, tried again in {pause_s} s", flush=True)
            time.sleep(pause_s)
        return self.once(method, path, body, **headers)

    def once(self, method, path="", body=None, **headers):
        """The same without a second try."""
        return self.curl(method, self.url + path, {"X-Auth-Token": self.token, **headers}, body)

    def curl(self, method, url, headers, body=None):
        args = ["curl", "-sS", "-i", "--max-time", "30", "-H", "Expect:"]
        args += ["-I"] if method == "HEAD" else ["-X", method]
        if self.authority:
            args += ["--cacert", self.authority]
        for name, value in headers.items():
            args += ["-H", f"{name.replace('_', '-')}: {value}"]
        if body is not None:
            args += ["--data-binary", "@-", "-H", "Content-Type: application/octet-stream"]
        done = subprocess.run([*EXEC, *args, url], input=body, capture_output=True, timeout=60)
        if done.returncode != 0:
            return 0, {}, done.stderr
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict((name.lower(), value) for name, value in (line.split(": ", 1) for line in lines[1:] if ": " in line))
        return int(lines[0].split()[1]), fields, content
