"""swift-drive-audit, Python's and ours, on real devices (root): file systems on loop devices, in a mount namespace where
/etc is a copy. The one that the kernel's log tells errors of is unmounted and stays so; the other stays mounted."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from tests.support.auth import links
from tests.support.tools import VENV

# Mounts both disks, lets the log tell of errors of d1's loop device, runs the program, and shows what is mounted then.
# Python's lists /dev/block, which udev makes: without udev there is none.
INSIDE = """
set -e
mount --make-rprivate /
mount --bind "$HOME_DIR/etc" /etc
[ -d /dev/block ] || { mkdir /dev/block; trap 'rmdir /dev/block' EXIT; }
for disk in d1 d2; do mount -o loop "$HOME_DIR/$disk.img" "$HOME_DIR/node/$disk"; done
failing=$(basename "$(findmnt -no SOURCE "$HOME_DIR/node/d1")")
sed -i "s/FAILING/$failing/" "$HOME_DIR/kern.log"
"$@" && code=0 || code=$?
findmnt -nro TARGET | grep "^$HOME_DIR/node/" >"$HOME_DIR/mounted" || true
exit $code
"""
CONF = """[drive-audit]
device_dir = {home}/node
log_file_pattern = {home}/kern.log
recon_cache_path = {home}
log_address = {home}/none
user = root
error_limit = 2
regex_pattern_1 = \\berror\\b.*\\b(loop\\d+)\\b
{more}
"""


@pytest.fixture
def home(tmp_path):
    """Two disks, an /etc that has them in its fstab, and a kernel's log."""
    assert os.geteuid() == 0, "devices are mounted here: run this test as root"
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group", "hosts", "nsswitch.conf", "ld.so.cache", "localtime"):
        if pathlib.Path("/etc", name).exists():
            shutil.copy(pathlib.Path("/etc", name), tmp_path / "etc" / name)
    fstab = [f"/dev/disk/by-label/{disk} {tmp_path}/node/{disk} ext4 noatime 0 0\n" for disk in ("d1", "d2")]
    (tmp_path / "etc/fstab").write_text("# the devices\n" + "".join(fstab))
    for disk in ("d1", "d2"):
        (tmp_path / "node" / disk).mkdir(parents=True)
        subprocess.run(["truncate", "-s", "8M", tmp_path / f"{disk}.img"], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", tmp_path / f"{disk}.img"], check=True)
    now = time.strftime("%b %d %H:%M:%S")
    (tmp_path / "kern.log").write_text(f"{now} host kernel: I/O error, dev FAILING, sector 7\n" * 3)
    return tmp_path


def audited(home, program, more=""):
    """Runs the program; its exit code, the devices still mounted, fstab's lines, and what recon is told."""
    (home / "drive-audit.conf").write_text(CONF.format(home=home, more=more))
    argv = ["unshare", "-m", "sh", "-c", INSIDE, "sh", program, home / "drive-audit.conf"]
    # Python's asks a name server for localhost otherwise.
    env = dict(os.environ, HOME_DIR=str(home), EVENTLET_NO_GREENDNS="yes")
    done = subprocess.run(list(map(str, argv)), env=env, capture_output=True, timeout=120, check=False)
    assert b"Traceback" not in done.stderr and b"panicked" not in done.stderr, done
    figures = json.loads((home / "drive.recon").read_text())
    relative = {name.replace(f"{home}/node/", ""): figure for name, figure in figures.items()}
    return done.returncode, (home / "mounted").read_text().split(), (home / "etc/fstab").read_text().splitlines(), relative


@pytest.fixture(params=["ours", "python"])
def program(request, home):
    """Either one's."""
    return (links(home / "bin") if request.param == "ours" else VENV / "bin") / "swift-drive-audit"


def test_a_failing_device_is_unmounted_for_good(home, program):
    before = (home / "etc/fstab").read_text().splitlines()
    code, mounted, fstab, recon = audited(home, program)
    assert (code, mounted) == (0, [f"{home}/node/d2"])
    assert fstab == [before[0], "#" + before[1], before[2]]
    assert recon == {"d1": 3, "d2": 0, "drive_audit_errors": 3}


def test_a_failing_device_may_be_left_alone(home, program):
    before = (home / "etc/fstab").read_text().splitlines()
    code, mounted, fstab, recon = audited(home, program, "unmount_failed_device = no")
    assert (code, mounted, fstab) == (0, [f"{home}/node/d1", f"{home}/node/d2"], before)
    assert recon == {"d1": 3, "d2": 0, "drive_audit_errors": 3}
