"""Removes what the scenarios before left, all but the operator: the disks of a machine would not do for all of them."""
from cluster import get, kubectl, recycle_disks
from scenarios import RESTRICTED, SYSTEM

for namespace in get("namespace", "-l", RESTRICTED):
    name = namespace["metadata"]["name"]
    if name != SYSTEM:
        # Clusters go before their namespace: it could not hold what still leaves it in order.
        kubectl("delete", "swiftcluster,zone", "--all", "-n", name, "--timeout=120s", timeout_s=180)
        kubectl("delete", "namespace", name, "--timeout=120s", timeout_s=180)
recycle_disks()
