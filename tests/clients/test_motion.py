"""The camera recipe: motion sees something move, and what it films goes to the object store over TLS."""

import os
import shutil
import subprocess
import time

import pytest
import requests

from tests.conftest import VENV
from tests.support.auth import manifest, tls_proxy
from tests.support.dev import DevCluster

FILM_S = 12
MOTION_CONF = """daemon off
setup_mode off
log_level 6
webcontrol_port 0
stream_port 0
picture_output off
target_dir {folder}
netcam_url file://{film}
width 320
height 240
framerate 10
threshold 300
minimum_motion_frames 1
event_gap 2
movie_output on
movie_codec mkv
movie_max_time 4
movie_filename %v-%H%M%S
on_movie_end {script} %f
"""
# Word for word what camera owners have in their scripts, but for the name of the store.
SCRIPT = """#!/bin/sh
cd "$(dirname "$1")"
ST_AUTH={url}/auth/v1.0 ST_AUTH_VERSION=1.0 ST_USER=vol03:admin ST_KEY=admin swift upload motion "$(basename "$1")"
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """(URL, certificate) of a cluster with the camera's user."""
    top = tmp_path_factory.mktemp("store")
    path = manifest(top / "cluster.yaml", {"tempauth": {"usersSecretName": "auth"}}, {"user_vol03_admin": "admin .admin"})
    (top / "tls").mkdir()
    with DevCluster(data=top / "data", manifests=[path]) as cluster, tls_proxy(cluster, top / "tls") as tls:
        yield tls


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film in which something moves all the time: what stands in for the camera."""
    for program in ("motion", "ffmpeg"):
        assert shutil.which(program), f"{program} is not installed: tests/setup/apt.sh motion ffmpeg"
    path = tmp_path_factory.mktemp("film") / "camera.mkv"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc=duration={FILM_S}:size=320x240:rate=10",
                    "-c:v", "mpeg4", str(path)], check=True)
    return path


def test_films_are_uploaded_as_they_end(store, film, tmp_path):
    url, certificate = store
    script = tmp_path / "upload.sh"
    script.write_text(SCRIPT.format(url=url))
    script.chmod(0o755)
    (tmp_path / "motion.conf").write_text(MOTION_CONF.format(folder=tmp_path / "films", film=film, script=script))
    (tmp_path / "films").mkdir()
    env = dict(os.environ, PATH=f"{VENV / 'bin'}:{os.environ['PATH']}", OS_CACERT=str(certificate))
    got = requests.get(f"{url}/auth/v1.0", headers={"X-Auth-User": "vol03:admin", "X-Auth-Key": "admin"}, verify=certificate, timeout=30)
    assert got.headers["X-Storage-Url"] == f"{url}/v1/AUTH_vol03", "the name that the client used, and https"
    session = requests.Session()
    # The environment may name another authority.
    session.trust_env = False
    session.verify, session.headers["X-Auth-Token"] = str(certificate), got.headers["X-Auth-Token"]
    with open(tmp_path / "motion.log", "wb") as log:
        motion = subprocess.Popen(["motion", "-n", "-c", str(tmp_path / "motion.conf")], env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        names = []
        while not names and time.monotonic() < deadline:
            time.sleep(0.5)
            assert motion.poll() is None, (tmp_path / "motion.log").read_text(errors="replace")[-4000:]
            listing = session.get(f"{url}/v1/AUTH_vol03/motion", timeout=30)
            # The first upload makes the container.
            names = listing.text.split() if listing.status_code == 200 else []
    finally:
        motion.terminate()
        motion.wait(30)
    logged = (tmp_path / "motion.log").read_text(errors="replace")
    assert names, f"nothing came:\n{logged[-4000:]}"
    name = names[0]
    film_bytes = (tmp_path / "films" / name).read_bytes()
    assert len(film_bytes) > 1000
    assert session.get(f"{url}/v1/AUTH_vol03/motion/{name}", timeout=30).content == film_bytes
