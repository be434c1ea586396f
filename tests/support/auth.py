"""What tests of auth share: clusters whose users are kept elsewhere than the example's, certificates, command names."""

import configparser
import contextlib
import socket
import subprocess
import time

import yaml

from tests.support.dev import ROOT, binary, free_port

EXAMPLE = ROOT / "deploy/examples/dev.yaml"


def manifest(path, auth, secret=None, config=None):
    """The example's cluster with `auth` as its spec.auth, written to `path`; `secret` is the Secret `auth`."""
    documents = [d for d in yaml.safe_load_all(EXAMPLE.read_text()) if d["kind"] != "Secret"]
    spec = documents[0]["spec"]
    spec["auth"] = auth
    spec["config"]["proxy-server.conf"].pop("filter:tempauth", None)
    for section, options in (config or {}).items():
        spec["config"]["proxy-server.conf"].setdefault(section, {}).update(options)
    if secret is not None:
        documents.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "auth"}, "stringData": secret})
    path.write_text(yaml.safe_dump_all(documents))
    return path


def self_signed(folder, name="localhost"):
    """A certificate for `name` and 127.0.0.1 that is its own authority: (certificate, key), PEM files."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
                    "-addext", "basicConstraints=critical,CA:FALSE"],
                   check=True, capture_output=True)
    return certificate, key


def links(folder):
    """A folder with every command as a link to the binary under test."""
    folder.mkdir(exist_ok=True)
    subprocess.run([binary(), "install-links", str(folder)], check=True)
    return folder


@contextlib.contextmanager
def tls_proxy(cluster, folder):
    """One more proxy of the cluster, that speaks TLS: (https://localhost:PORT, certificate)."""
    certificate, key = self_signed(folder)
    port = free_port()
    conf = configparser.RawConfigParser()
    conf.optionxform = str
    conf.read(cluster.data / "etc/proxy-server.conf")
    conf["DEFAULT"].update(bind_ip="127.0.0.1", bind_port=str(port), cert_file=str(certificate), key_file=str(key),
                           workers="0")
    path = folder / "proxy-server.conf"
    with open(path, "w", encoding="utf-8") as out:
        conf.write(out)
    with open(folder / "proxy.log", "wb") as log:
        process = subprocess.Popen([binary(), "proxy-server", str(path)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (folder / "proxy.log").read_text()
                time.sleep(0.1)
        yield f"https://localhost:{port}", certificate
    finally:
        process.terminate()
        process.wait(20)
