"""Python Swift's own tools read a dev cluster's rings, configuration and devices, and agree with what was put there."""

import hashlib
import re

import pytest

BODY = b"0123456789" * 5000


@pytest.fixture(scope="module")
def stored(cluster, swift, tmp_path_factory):
    """One object with metadata in one container, put by the swift client."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "o 1ü").write_bytes(BODY)
    swift("post", "tools", "-H", "X-Container-Meta-Colour: red")
    swift("upload", "tools", "o 1ü", "-H", "X-Object-Meta-Shape: round ü", cwd=folder)
    return "AUTH_test", "tools", "o 1ü"


def ring(cluster, name):
    return cluster.data / "etc" / f"{name}.ring.gz"


def placed(python_tool, cluster, kind, *path):
    """(address, device, partition, hash) of each primary, as Python's swift-get-nodes has them."""
    out = python_tool("swift-get-nodes", "-d", cluster.data / "etc", ring(cluster, kind), *path)
    partition, digest = (re.search(rf"^{word}\s*\t(\S+)", out, re.M).group(1) for word in ("Partition", "Hash"))
    primaries = re.findall(r"^Server:Port Device\t([\d.]+):\d+ (\S+)$", out, re.M)
    return [(ip, device, partition, digest) for ip, device in primaries]


def devices_of(cluster):
    """Device folders by name of device."""
    return [p for p in cluster.data.glob("*/*") if p.parent.name != "etc" and p.is_dir()]


def files(cluster, kind, partition, digest, suffix):
    found = []
    for device in devices_of(cluster):
        found += device.glob(f"{kind}/{partition}/{digest[-3:]}/{digest}/*{suffix}")
    return found


def test_ring_builder_reads_and_validates(cluster, python_tool):
    for name in ("account", "container", "object"):
        out = python_tool("swift-ring-builder", cluster.data / "etc" / f"{name}.builder")
        assert re.search(r"3\.000000 replicas, 1 regions, 3 zones, 6 devices", out), out
        assert "is up-to-date" in out
        python_tool("swift-ring-builder", cluster.data / "etc" / f"{name}.builder", "validate")


def test_get_nodes_names_where_the_replicas_are(cluster, python_tool, stored):
    nodes = placed(python_tool, cluster, "object", *stored)
    assert len(nodes) == 3 and len({ip for ip, *_ in nodes}) == 3
    assert len(files(cluster, "objects", nodes[0][2], nodes[0][3], ".data")) == 3


def test_object_info_agrees(cluster, python_tool, stored):
    _, _, partition, digest = placed(python_tool, cluster, "object", *stored)[0]
    for data in files(cluster, "objects", partition, digest, ".data"):
        out = python_tool("swift-object-info", "-d", cluster.data / "etc", data)
        assert f"ETag: {hashlib.md5(BODY).hexdigest()} (valid)" in out
        assert f"Content-Length: {len(BODY)} (valid)" in out
        assert "Path: /AUTH_test/tools/o 1ü" in out
        assert "Shape: round ü" in out


def test_container_and_account_info_agree(cluster, python_tool, stored):
    account, container, _ = stored
    _, _, partition, digest = placed(python_tool, cluster, "container", account, container)[0]
    databases = files(cluster, "containers", partition, digest, ".db")
    assert len(databases) == 3
    out = python_tool("swift-container-info", "-d", cluster.data / "etc", databases[0])
    assert "Container: tools" in out and "Colour: red" in out
    assert re.search(r"Object Count: 1\b", out) and re.search(rf"Bytes Used: {len(BODY)}\b", out)
    _, _, partition, digest = placed(python_tool, cluster, "account", account)[0]
    databases = files(cluster, "accounts", partition, digest, ".db")
    assert len(databases) == 3
    assert "Account: AUTH_test" in python_tool("swift-account-info", "-d", cluster.data / "etc", databases[0])
