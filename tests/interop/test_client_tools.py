"""Swift's tools that are clients of the cluster, Python's and ours, run with the same arguments on one dev cluster: the
same output, exit code and effect."""

import hashlib
import hmac
import json
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from swift.common.ring import RingData


TIMESTAMP = "1402464677.04188"


def told(process):
    """Standard output and exit code, without how far it came meanwhile and the time that it took."""
    assert b"panicked" not in process.stderr, process
    text = re.sub(r"\r\x1b\[K(Creating|Querying)[^\r]*", "", process.stdout.decode())
    return process.returncode, re.sub(r", \d+[smh], ", ", TIME, ", text)


def same(tools, name, *arguments):
    """What both tell."""
    ours, python = tools.ours(name, *arguments), tools.python(name, *arguments)
    assert told(ours) == told(python), (ours, python)
    return told(ours)


FORM = ["/v1/AUTH_test/c/prefix", "http://x/é", "5", "2", "60", "key"]


def python_form(*arguments):
    """Python's swift-form-signature. The program that 2.38.3 installs calls this without arguments, and fails."""
    program = "import sys; from swift.cli.form_signature import main; sys.exit(main(['swift-form-signature', *sys.argv[1:]]))"
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.run(argv, capture_output=True, timeout=120, check=False)


def test_form_signature(tools):
    def form(process):
        """The form without what depends on the second in which it was made, which must be right by itself."""
        assert process.returncode == 0, process
        text = process.stdout.decode()
        expires, signature = re.match(r"  Expires: (\d+)\nSignature: (\w+)\n", text).groups()
        message = "\n".join([*FORM[:4], expires])
        assert signature == hmac.new(b"key", message.encode(), hashlib.sha1).hexdigest()
        return text.replace(expires, "EXPIRES").replace(signature, "SIGNATURE")

    assert form(tools.ours("swift-form-signature", *FORM)) == form(python_form(*FORM))


@pytest.mark.parametrize("at, wrong", [(0, "/v1/AUTH_test"), (2, "-1"), (3, "none"), (4, "-99999999999")])
def test_mistakes_of_form_signature(tools, at, wrong):
    words = [wrong if n == at else word for n, word in enumerate(FORM)]
    ours = told(tools.ours("swift-form-signature", *words))
    assert ours == told(python_form(*words)) and ours[0] == 1


def test_too_few_arguments(tools):
    ours, python = tools.ours("swift-form-signature", "x"), python_form("x")
    assert (ours.returncode, ours.stdout.split(b"\n")[0]) == (python.returncode, python.stdout.split(b"\n")[0])
    ours, python = (run("swift-container-deleter", "x") for run in (tools.ours, tools.python))
    assert (ours.returncode, ours.stdout) == (python.returncode, python.stdout)
    assert ours.stderr.split(b"\n")[-2:] == python.stderr.split(b"\n")[-2:]


@pytest.fixture(scope="module")
def stored(swift, tmp_path_factory):
    """Two containers with objects."""
    folder = tmp_path_factory.mktemp("objects")
    for name in ("a/1", "a/2", "a/é", "b"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    for container in ("doomed", "doomed-too", "audited"):
        swift("upload", container, ".", cwd=folder)


def queued(cluster, container):
    """The queue's rows for the second of TIMESTAMP that are about a container, of every replica, without its name."""
    rows = set()
    for path in cluster.data.glob("*/*/containers/*/*/*/*.db"):
        with sqlite3.connect(path) as database:
            if database.execute("SELECT container FROM container_info").fetchone() == (TIMESTAMP.split(".")[0],):
                found = database.execute("SELECT name, created_at, size, content_type, etag, deleted FROM object")
                rows.update((name.replace(f"/{container}/", "/"), *rest) for name, *rest in found if f"/{container}/" in name)
    return rows


def test_container_deleter(tools, cluster, etc, stored):
    conf = cluster.data / "internal-client.conf"
    conf.write_text(f"""[DEFAULT]
swift_dir = {etc}
[pipeline:main]
pipeline = catch_errors cache proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
[filter:catch_errors]
use = egg:swift#catch_errors
""")
    options = ("--config", conf, "--timestamp", TIMESTAMP, "--prefix", "a/", "--marker", "a/1", "--end-marker", "a/é")
    found = []
    for run, container in ((tools.python, "doomed"), (tools.ours, "doomed-too")):
        done = run("swift-container-deleter", *options, "AUTH_test", container)
        found.append((told(done), queued(cluster, container)))
    assert found[0] == found[1]
    assert found[0][0] == (0, "Finished. Marked 1 objects for deletion.\n")
    assert [row[0] for row in found[0][1]] == [f"{TIMESTAMP}-AUTH_test/a/2"]
    same(tools, "swift-container-deleter", *options, "AUTH_test", "there is none")


def test_account_audit(tools, cluster, etc, stored):
    for urls in (["AUTH_test/audited"], ["/AUTH_test/audited/a/é", "AUTH_test/none/o"], ["AUTH_none"]):
        files = [cluster.data / "ours.txt", cluster.data / "python.txt"]
        ours = tools.ours("swift-account-audit", "-d", "-r", etc, "-e", files[0], "-c", "1", *urls)
        python = tools.python("swift-account-audit", "-d", "-r", etc, "-e", files[1], "-c", "1", *urls)
        assert ours.returncode == python.returncode == 0, (ours, python)
        # Python's tells the path of an account on standard output, beside its open file
        lines = [line for line in python.stdout.decode().splitlines() if "TextIOWrapper" not in line]
        assert sorted(ours.stdout.decode().splitlines()) == sorted(lines)
        noted = [set(file.read_text().split("\n")) if file.exists() else set() for file in files]
        assert noted[0] - noted[1] <= {"/AUTH_none", "", "/AUTH_test"} and noted[1] <= noted[0]


@pytest.fixture(scope="module")
def dispersion(cluster, etc):
    """Writes a dispersion.conf; gives its path."""

    def write(name, *options, swift_dir=etc):
        lines = ["[dispersion]", f"auth_url = {cluster.auth_url}", "auth_user = test:tester", "auth_key = testing"]
        path = cluster.data / f"{name}.conf"
        path.write_text("\n".join([*lines, f"swift_dir = {swift_dir}", "dispersion_coverage = 1", *options, ""]))
        return path

    return write


def test_dispersion_before_anything_is_there(tools, dispersion):
    same(tools, "swift-dispersion-report", dispersion("nothing"))


def test_dispersion(tools, dispersion):
    conf = dispersion("whole")
    populated = told(tools.ours("swift-dispersion-populate", conf))
    code, text = same(tools, "swift-dispersion-report", conf)
    assert code == 0 and "(30 of 30)" in text
    # the same names are made again
    assert told(tools.python("swift-dispersion-populate", conf)) == populated
    # as many again, in other partitions
    assert told(tools.ours("swift-dispersion-populate", "--no-overlap", conf))[0] == 0
    code, text = same(tools, "swift-dispersion-report", "-j", conf)
    reports = json.loads(text).values()
    assert code == 0 and [(report["copies_found"], report["overlapping"]) for report in reports] == [(60, 0), (60, 0)]


def test_dispersion_of_a_policy_elsewhere(tools, dispersion):
    conf, options = dispersion("whole"), ("-P", "silver", "--object-suffix-start=2", "--container-suffix-start=2")
    assert told(tools.ours("swift-dispersion-populate", *options, conf))[0] == 0
    same(tools, "swift-dispersion-report", "-j", "-P", "silver", conf)


def test_dispersion_with_a_server_down(tools, cluster, etc, dispersion):
    """By rings that lead nowhere for one device of each."""
    rings = cluster.data / "led-astray"
    shutil.copytree(etc, rings)
    for path in rings.glob("*.ring.gz"):
        ring = RingData.load(str(path))
        ring.devs[0]["port"] = 1
        ring.save(str(path))
    conf = dispersion("astray", "retries = 0", swift_dir=rings)
    ours, python = (run("swift-dispersion-report", "-p", conf) for run in (tools.ours, tools.python))

    def figures(process):
        """Its lines in any order: that of partitions missing so many copies is the order in which answers came."""
        code, text = told(process)
        return code, sorted(text.replace("\r\x1b[K", "").splitlines())

    assert figures(ours) == figures(python), (ours, python)

    def partitions(process):
        lines = process.stderr.decode().splitlines()
        return sorted(line for line in lines if line.startswith("#")), len([line for line in lines if "Giving up" in line])

    assert partitions(ours) == partitions(python) != ([], 0)


@pytest.mark.parametrize(
    "tool, arguments",
    [("report", ("-P", "none", "whole")), ("report", ("--object-only", "--container-only", "whole")),
     ("populate", ("--object-only", "--container-only", "whole")), ("populate", ("missing",)), ("populate", ("--nonsense",))],
    ids=repr,
)
def test_mistakes_of_dispersion(tools, cluster, dispersion, tool, arguments):
    dispersion("whole")
    words = [cluster.data / f"{word}.conf" if word in ("whole", "missing") else word for word in arguments]
    ours, python = (run(f"swift-dispersion-{tool}", *words) for run in (tools.ours, tools.python))
    assert told(ours) == told(python), (ours, python)
    assert ours.stderr.split(b"\n")[-2:] == python.stderr.split(b"\n")[-2:]
