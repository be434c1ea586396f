"""A file system in a file, mounted by loop (root): ext4 or XFS below a test, and gone afterwards."""

import fcntl
import os
import pathlib
import subprocess
import sys
import time

# XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN are one number: _IOR('X', 125, __u32); 2 is "do not flush the log".
SHUT_DOWN = 0x8004587D
WITHOUT_LOG = (2).to_bytes(4, sys.byteorder)
SIZE = "4G"


class Disk:
    """A file system in a file, that can lose its power."""

    def __init__(self, fs, folder, size=SIZE):
        self.image, self.path = pathlib.Path(folder) / "disk.img", pathlib.Path(folder) / "mnt"
        subprocess.run(["truncate", "-s", size, self.image], check=True)
        subprocess.run({"xfs": ["mkfs.xfs", "-q", "-f"], "ext4": ["mkfs.ext4", "-q", "-F"]}[fs] + [self.image], check=True)
        self.path.mkdir()

    def mount(self):
        subprocess.run(["mount", "-o", "loop,noatime", self.image, self.path], check=True)

    def cut(self):
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUT_DOWN, WITHOUT_LOG)
        finally:
            os.close(folder)

    def unmount(self):
        """Again while processes that were just killed still leave it."""
        for _ in range(100):
            if subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
            time.sleep(0.1)
        subprocess.run(["umount", "-l", self.path], check=True)

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        if os.path.ismount(self.path):
            self.unmount()
