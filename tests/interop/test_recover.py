"""`swiftlet recover` on the devices of a dev cluster that lost its rings, its databases or everything but its devices:
what comes back is what was there, Python Swift reads it, and the devices are as they were."""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import time
from urllib.parse import quote

import pytest
import requests

from tests.support.dev import DevCluster, binary
from tests.support.tools import VENV

RINGS = ("account", "container", "object", "object-1")
OBJECTS = 120
USER = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}


def python(code, *args):
    """Runs code with Python Swift's modules; gives what it prints as JSON."""
    argv = [str(VENV / "bin/python"), "-c", code, *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def recover(*args, ok=0):
    """Runs `swiftlet recover`; gives the finished process."""
    argv = [binary(), "recover", *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == ok, f"{argv}\n{done.stdout}{done.stderr}"
    return done


def snapshot(device):
    """Every file and folder of a device with its bytes, attributes and time of change."""
    seen = {}
    for folder, _, names in os.walk(device):
        for path in [folder, *(os.path.join(folder, name) for name in names)]:
            stat = os.lstat(path)
            attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
            data = hashlib.md5(open(path, "rb").read()).hexdigest() if os.path.isfile(path) else None
            seen[path] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_mode, attributes, data)
    return seen


def session(cluster):
    """Storage URL and headers of the test user."""
    answer = requests.get(cluster.auth_url, headers=USER, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Storage-Url"], {"X-Auth-Token": answer.headers["X-Auth-Token"]}


def body(n):
    return f"object {n} ".encode() * (n * 37 % 900 + 1)


def fill(cluster):
    """Containers with ACLs and metadata, objects in two policies, one posted to, some deleted, a manifest of each kind."""
    url, token = session(cluster)

    def ask(method, path, expect=(200, 201, 202, 204), headers=None, **rest):
        answer = requests.request(method, f"{url}/{path}", headers={**token, **(headers or {})}, timeout=60, **rest)
        assert answer.status_code in expect, f"{method} {path}: {answer.status_code} {answer.text}\n{cluster.tail()}"
        return answer

    ask("PUT", "gold", headers={"X-Container-Read": ".r:*,.rlistings", "X-Container-Meta-Colour": "red"})
    ask("PUT", "silver", headers={"X-Storage-Policy": "silver", "X-Container-Write": "test2:tester2"})
    ask("POST", "", headers={"X-Account-Meta-Shape": "round"})
    for n in range(OBJECTS):
        container = "silver" if n % 4 == 0 else "gold"
        ask("PUT", f"{container}/folder {n % 5}/öbject {n}", data=body(n), headers={"X-Object-Meta-N": str(n)})
    for n in range(0, OBJECTS, 10):
        ask("DELETE", f"{'silver' if n % 4 == 0 else 'gold'}/folder {n % 5}/öbject {n}")
    ask("POST", "gold/folder 1/öbject 1", headers={"X-Object-Meta-Posted": "yes", "Content-Type": "text/x-posted"})
    for name in ("gold/..%2F..%2Fescape", "gold/folder 1", "gold/slash%2F", "gold/%25", "gold/" + "n" * 900):
        ask("PUT", name, data=b"odd")
    ask("PUT", "gold/expired", data=b"x", headers={"X-Delete-After": "1"})
    for part in ("one", "two"):
        ask("PUT", f"gold/segments/{part}", data=part.encode() * 1000)
    manifest = [{"path": f"/gold/segments/{part}", "size_bytes": len(part) * 1000} for part in ("one", "two")]
    ask("PUT", "gold/slo?multipart-manifest=put", data=json.dumps(manifest))
    ask("PUT", "gold/dlo", data=b"", headers={"X-Object-Manifest": "gold/segments/"})


def state(cluster):
    """All that a client sees: account, listings, headers and bytes of every object."""
    url, token = session(cluster)
    volatile = ("Date", "X-Trans-Id", "X-Openstack-Request-Id", "X-Timestamp", "Keep-Alive", "Connection")

    def get(path):
        answer = requests.get(f"{url}{path}", headers=token, timeout=60)
        headers = {name: value for name, value in answer.headers.items() if name not in volatile}
        return answer.status_code, headers, hashlib.md5(answer.content).hexdigest(), answer

    seen = {}
    for container in ("gold", "silver"):
        status, headers, _, answer = get(f"/{container}?format=json")
        assert status == 200, answer.text
        rows = [row for row in answer.json() if row["name"] != "expired"]
        # counts may change when the expirer comes by
        kept = ("X-Container-Read", "X-Container-Write", "X-Container-Meta-", "X-Storage-Policy")
        seen[container] = rows, {k: v for k, v in headers.items() if k.startswith(kept)}
        for row in rows:
            status, headers, md5, answer = get(f"/{container}/{quote(row['name'], safe='')}")
            assert status == 200, f"{row['name']}: {status} {answer.text}"
            seen[container, row["name"]] = headers, md5
    return seen


def devices(cluster):
    return sorted(path for path in cluster.data.glob("rack*-*/d*") if path.is_dir())


LAYOUT = """
import json, sys
from swift.common.ring import RingData
ring = RingData.load(sys.argv[1])
print(json.dumps({"power": 32 - ring._part_shift, "devs": ring.devs,
                  "rows": [list(row) for row in ring._replica2part2dev_id]}))
"""

BUILDER = """
import json, sys
from swift.common.ring import RingBuilder
builder = RingBuilder.load(sys.argv[1])
builder.validate()
print(json.dumps({"power": builder.part_power, "replicas": builder.replicas, "hours": builder.min_part_hours}))
"""


def places(cluster, ring):
    """Where the ring has each partition: sets of (ip, port, device); and the devices' places as `recover rings` is told
    them, with their folders."""
    layout = python(LAYOUT, cluster.data / f"etc/{ring}.ring.gz")
    devs = {dev["id"]: dev for dev in layout["devs"] if dev}
    where = [{(devs[i]["ip"], devs[i]["port"], devs[i]["device"]) for i in column} for column in zip(*layout["rows"])]
    folders = {str(dev["zone"]): dev for dev in devs.values()}
    assert len(folders) == 3
    words = [f"r{dev['region']}z{dev['zone']}-{dev['ip']}:{dev['port']}/{dev['device']}="
             f"{cluster.data}/rack{dev['zone']}-0/{dev['device']}" for dev in devs.values()]
    return where, words


@pytest.fixture
def cluster(tmp_path):
    with DevCluster(data=tmp_path / "data") as running:
        fill(running)
        yield running


def wait_whole(cluster, lost):
    """Until every copy is where its ring has it: on a busy machine some are written to handoffs first."""
    deadline = time.monotonic() + 90
    for ring, (_, words) in lost.items():
        while True:
            told = json.loads(recover("rings", "--server", ring, "--swift-dir", cluster.data / "nowhere", "--weights", "equal",
                                      "--devices", *words, "--dry-run", "--output", "json").stdout)[0]
            if told["replicas_missing"] == told["copies_beyond"] == told["misplaced"] == 0:
                break
            assert time.monotonic() < deadline, told
            time.sleep(1)


def test_rings_come_back_from_where_partitions_lie(cluster):
    before = state(cluster)
    lost = {ring: places(cluster, ring) for ring in RINGS}
    wait_whole(cluster, lost)
    cluster.stop()
    for path in (cluster.data / "etc").glob("*.ring.gz"):
        path.unlink()
        path.with_name(path.name.replace(".ring.gz", ".builder")).unlink()
    untouched = {device: snapshot(device) for device in devices(cluster)}
    etc = cluster.data / "etc"
    for ring, (where, words) in lost.items():
        common = ("rings", "--server", ring, "--swift-dir", etc, "--weights", "equal", "--devices", *words)
        assert "not written" in recover(*common, "--dry-run").stdout
        assert not (etc / f"{ring}.builder").exists()
        told = json.loads(recover(*common, "--output", "json").stdout)[0]
        assert (told["part_power"], told["replicas"], told["devices"]) == (10, 3.0, 6), told
        assert told["replicas_missing"] == told["copies_beyond"] == told["misplaced"] == 0, told
        assert python(BUILDER, etc / f"{ring}.builder") == {"power": 10, "replicas": 3.0, "hours": 24}
        found, _ = places(cluster, ring)
        kind = {"account": "accounts", "container": "containers"}.get(ring, ring.replace("object", "objects"))
        held = {int(path.name) for device in devices(cluster) for path in (device / kind).glob("[0-9]*")
                if any(path.glob("*/*/*.*"))}
        assert held and {part: found[part] for part in held} == {part: where[part] for part in held}
        again = recover(*common, ok=1)
        assert "is not replaced" in again.stderr
        builder = subprocess.run([binary(), "ring-builder", etc / f"{ring}.builder", "validate"], check=False)
        assert builder.returncode == 0
    assert {device: snapshot(device) for device in devices(cluster)} == untouched
    cluster.start()
    assert state(cluster) == before


def test_a_hash_path_that_is_not_the_devices_is_refused(cluster, tmp_path):
    cluster.stop()
    _, words = places(cluster, "object")
    wrong = tmp_path / "swift.conf"
    wrong.write_text("[swift-hash]\nswift_hash_path_suffix = another\n")
    done = recover("rings", "--swift-conf", wrong, "--swift-dir", tmp_path, "--devices", *words, ok=1)
    assert "hash path is not that of the devices" in done.stderr
    assert not list(tmp_path.glob("*.builder"))


def stored_objects(cluster):
    """Every live object of the test account by name: its bytes' MD5 and metadata, as its newest files have them."""
    url, token = session(cluster)
    seen = {}
    for container in ("gold", "silver"):
        listing = requests.get(f"{url}/{container}?format=json", headers=token, timeout=60).json()
        for row in listing:
            if row["name"] != "expired":
                path = f"{url}/{container}/{quote(row['name'], safe='')}?multipart-manifest=get"
                answer = requests.get(path, headers=token, timeout=60)
                assert answer.status_code == 200, row
                seen[container, row["name"]] = (answer.headers, answer.content)
    return seen


def recovered_files(folder):
    """What `recover objects` wrote: by (container, name), the file's bytes and the JSON beside it."""
    seen = {}
    for told in folder.rglob("*%.json"):
        about = json.loads(told.read_text())
        data = told.with_name(told.name[: -len("%.json")]).read_bytes()
        assert (about["container"], about["object"]) not in seen
        seen[about["container"], about["object"]] = data, about
    return seen


def damage(cluster, container, name):
    """Changes a byte in one copy of an object, and cuts another short; the third stays sound."""
    copies = []
    for path in cluster.data.glob("rack*-*/d*/objects*/*/*/*/*.data"):
        metadata = pickle.loads(os.getxattr(path, "user.swift.metadata"))
        if metadata[b"name"] == f"/AUTH_test/{container}/{name}".encode():
            copies.append(path)
    copies.sort()
    assert len(copies) == 3
    data = bytearray(copies[0].read_bytes())
    data[len(data) // 2] ^= 1
    copies[0].write_bytes(data)
    os.truncate(copies[1], len(data) - 1)


def test_objects_come_back_by_name(cluster, tmp_path):
    time.sleep(2)
    expected = stored_objects(cluster)
    cluster.stop()
    damage(cluster, "gold", "folder 2/öbject 7")
    sources = devices(cluster)
    untouched = {device: snapshot(device) for device in sources}
    folder = tmp_path / "out"
    common = ("objects", "--account", "AUTH_test", "--devices", *sources, "--to", folder)

    dry = json.loads(recover(*common, "--dry-run", "--output", "json").stdout)
    assert dry["objects"]["recovered"] == len(expected) and not folder.exists()
    assert dry["bytes"] == sum(len(data) for _, data in expected.values())

    # killed at some moment: run again, it goes on
    first = subprocess.Popen([binary(), "recover", *map(str, common), "--workers", "1"], stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
    time.sleep(0.15)
    first.kill()
    first.wait()
    report = json.loads(recover(*common, "--output", "json").stdout)
    assert report["objects"]["recovered"] == len(expected), report
    assert report["objects"]["deleted"] >= OBJECTS // 10, report
    # none where the expirer has come by
    assert report["objects"]["expired"] in (0, 1), report
    found = recovered_files(folder)
    assert found.keys() == expected.keys()
    for key, (headers, content) in expected.items():
        data, about = found[key]
        assert data == content and about["etag"] == hashlib.md5(content).hexdigest(), key
        if not about["metadata"].get("X-Static-Large-Object"):
            assert about["metadata"]["Content-Type"] == headers["Content-Type"]
        posted = {k: v for k, v in about["metadata"].items() if k.startswith("X-Object-Meta-")}
        assert posted == {k: v for k, v in headers.items() if k.startswith("X-Object-Meta-")}, key
    assert found["gold", "folder 1/öbject 1"][1]["metadata"]["X-Object-Meta-Posted"] == "yes"
    assert all(folder in path.resolve().parents for path in folder.rglob("*"))
    one = recover("objects", "--devices", *sources, "--to", tmp_path / "one", "--prefix", "folder 2/öbject 7")
    assert "its bytes have MD5" in one.stderr and "that its metadata states" in one.stderr
    assert {device: snapshot(device) for device in sources} == untouched
    other = recover(*common, "--prefix", "folder", ok=1)
    assert "the state of another recovery" in other.stderr


def test_objects_go_into_a_cluster(cluster, tmp_path):
    cluster.stop()
    sources = devices(cluster)
    with DevCluster(data=tmp_path / "other") as other:
        env = dict(os.environ, ST_USER="test:tester", ST_KEY="testing")
        argv = [binary(), "recover", "objects", "--account", "AUTH_test", "--to-cluster", other.auth_url, "--output", "json",
                "--state", tmp_path / "state", "--devices", *sources]
        done = subprocess.run(list(map(str, argv)), env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + other.tail()
        url, token = session(other)
        for n in range(1, OBJECTS, 7):
            container = "silver" if n % 4 == 0 else "gold"
            answer = requests.get(f"{url}/{container}/folder {n % 5}/öbject {n}", headers=token, timeout=30)
            deleted = n % 10 == 0
            assert answer.status_code == (404 if deleted else 200), n
            if not deleted:
                posted = "X-Object-Meta-Posted" in answer.headers
                assert answer.content == body(n) and (posted or answer.headers["X-Object-Meta-N"] == str(n))
        for name in ("slo", "dlo"):
            answer = requests.get(f"{url}/gold/{name}", headers=token, timeout=30)
            assert answer.content == b"one" * 1000 + b"two" * 1000, name
        assert requests.head(f"{url}/gold/slo", headers=token, timeout=30).headers["X-Static-Large-Object"] == "True"


BROKER = """
import json, sys
from swift.container.backend import ContainerBroker
broker = ContainerBroker(sys.argv[1])
info = broker.get_info()
print(json.dumps({"account": info["account"], "container": info["container"], "count": info["object_count"],
                  "policy": info["storage_policy_index"],
                  "rows": [row[0] for row in broker.list_objects_iter(
                      10000, "", "", "", "", storage_policy_index=info["storage_policy_index"])],
                  "metadata": {k: v[0] for k, v in broker.metadata.items()}}))
"""


def lose(databases, fate):
    """Takes all databases away; or makes one replica of each no database, damages another and leaves the third."""
    for path in databases:
        if fate == "gone":
            shutil.rmtree(path.parent)
        elif "rack1" in str(path):
            path.write_bytes(b"not a database" * 1000)
        elif "rack2" in str(path):
            page = page_of_rows(path)
            with open(path, "r+b") as file:
                file.seek((page - 1) * 4096)
                file.write(b"\xff" * 4096)


def page_of_rows(path):
    """The last page that holds rows of a container's database: not each page of the file would be missed."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (4096,)
        page, = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'object'").fetchone()
    content = path.read_bytes()
    # 5 is a page of pointers, whose last one stands in its head
    while (start := (page - 1) * 4096) >= 0 and content[start] == 5:
        page = int.from_bytes(content[start + 8:start + 12], "big")
    return page


def put_in_place(cluster, out, layouts):
    """Copies recovered databases to the devices where the rings have them, in place of what is there."""
    for kind, layout in layouts.items():
        devs = {dev["id"]: dev for dev in layout["devs"] if dev}
        for hashdir in out.glob(f"{kind}s/*/*/*"):
            partition = int(hashdir.parts[-3])
            for dev in (devs[row[partition]] for row in layout["rows"]):
                to = cluster.data / f"rack{dev['zone']}-0/{dev['device']}" / hashdir.relative_to(out)
                shutil.rmtree(to, ignore_errors=True)
                shutil.copytree(hashdir, to)


@pytest.mark.parametrize("fate", ["gone", "damaged"])
def test_listings_come_back(cluster, tmp_path, fate):
    before = state(cluster)
    layouts = {kind: python(LAYOUT, cluster.data / f"etc/{kind}.ring.gz") for kind in ("container", "account")}
    cluster.stop()
    sources = devices(cluster)
    databases = [path for device in sources for path in device.glob("containers/*/*/*/*.db")]
    assert databases
    lose(databases, fate)
    untouched = {device: snapshot(device) for device in sources}
    out = tmp_path / "out"
    common = ("containers", "--swift-conf", cluster.data / "etc/swift.conf", "--devices", *sources, "--out", out)
    recover(*common, "--dry-run")
    assert not out.exists()
    # a second time changes nothing
    reports = [json.loads(recover(*common, "--output", "json").stdout) for _ in range(2)]
    assert {device: snapshot(device) for device in sources} == untouched
    told = [python(BROKER, path) for path in out.glob("containers/*/*/*/*.db")]
    found = {(about["account"], about["container"]): about for about in told}
    for container in ("gold", "silver"):
        about = found["AUTH_test", container]
        rows = [row["name"] for row in before[container][0]]
        # there until the expirer comes by
        found_rows = [name for name in about["rows"] if name != "expired"]
        assert found_rows == sorted(rows, key=str.encode), reports
        assert about["policy"] == (1 if container == "silver" else 0)
    if fate == "damaged":
        assert found["AUTH_test", "gold"]["metadata"]["X-Container-Read"] == ".r:*,.rlistings"
        assert reports[0]["gaps"] > 0, reports

    put_in_place(cluster, out, layouts)
    cluster.start()
    after = state(cluster)
    for container in ("gold", "silver"):
        (rows, headers), (rows_before, headers_before) = after[container], before[container]
        assert rows == rows_before
        # objects know nothing of ACLs and metadata; of their policy, they do
        kept = headers_before if fate == "damaged" else {"X-Storage-Policy": headers_before["X-Storage-Policy"]}
        assert headers == kept
