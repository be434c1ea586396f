"""What a mixed cluster must be able to do, each part on a cluster of its own: its figure, and what is wrong."""

import contextlib
import time

from tests.conformance import run as conformance
from tests.support import saio, told, whole, world

PYTHON_NODES, OUR_NODES = (1, 2), (3, 4)
EXPIRE_AFTER_S = 5


def functional_ours(cluster, args):
    """Swift's functional suite through our proxy."""
    return functional(cluster, args, "ours")


def functional_python(cluster, args):
    """Swift's functional suite through Python's proxy."""
    return functional(cluster, args, "python")


def functional(cluster, args, who):
    """Swift's functional suite, test by test against what Swift scores; other arguments than all its files for trying."""
    wanted = conformance.reference()
    names = args.files or sorted({test.split("::")[0] for test in wanted if "/s3api/" not in test})
    record = conformance.OUT / f"mixed-{who}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    # As where the reference was recorded: Swift's proxy answers 200 to a HEAD of an account that nobody has written to.
    world.Client(saio.PROXY_PORT[who]).ask("POST", "")
    got = conformance.run_suite(saio.PROXY_PORT[who], names, [], record)
    wanted = [test for test, outcome in wanted.items() if outcome == "passed" and test.split("::")[0] in names]
    missed = [f"{test}: {got.get(test, 'did not run')}" for test in sorted(wanted) if got.get(test) != "passed"]
    return f"{sum(outcome == 'passed' for outcome in got.values())} of {len(wanted)} passed", missed


def converge(cluster, args):
    """Writes through both proxies while a node of each side is away; the daemons of both make it whole."""
    load = world.World(ports(cluster), seed=args.seed)
    load.write(args.objects)
    passes, wrong, findings = {}, [], []
    for away in (PYTHON_NODES[1], OUR_NODES[1]):
        with readers(cluster, load) as (all_of_them, any_one):
            cluster.stop_node(away)
            load.write(args.objects // 2)
        cluster.start_node(away)
        wrong += all_of_them.wrong
        findings += any_one.findings
        passes[cluster.who[away]], left = whole.make_whole(cluster, load)
        wrong += left
    behind, at_fault = told.sort_out(cluster, findings, saio.NODES)
    figure = f"whole after {passes['python']} passes with a Python node back, {passes['ours']} with one of ours"
    return f"{figure}; {len(behind)} reads of nodes that missed a write", wrong + at_fault + seen_wrong(cluster, load)


def updates(cluster, args):
    """Objects whose container was out of reach: the updates left behind by either side reach the other's servers."""
    load = world.World(ports(cluster), seed=args.seed)
    load.write(args.objects // 4)
    wrong = []
    for nodes in (PYTHON_NODES, OUR_NODES):
        for n in nodes:
            for server in ("container", "account"):
                cluster.stop(f"{server}-{n}")
        load.write(args.objects // 4)
        for n in nodes:
            cluster.start_node(n, servers=("container", "account"))
    left = len(whole.pending(cluster))
    passes, after = whole.make_whole(cluster, load)
    return f"{left} updates left behind, whole after {passes} passes", wrong + after + seen_wrong(cluster, load)


def expiry(cluster, args):
    """Objects that expire, written through each proxy: each side's expirer removes what was written through the other."""
    load = world.World(ports(cluster), seed=args.seed)
    wrong, expired = [], 0
    for writer, expirer_node in (("python", OUR_NODES[0]), ("ours", PYTHON_NODES[0])):
        client = world.Client(saio.PROXY_PORT[writer])
        names = [f"c{n % 20}/expires-{writer}-{n}" for n in range(args.objects // 10)]
        for name in names:
            status, _, _ = client.ask("PUT", f"/{name}", b"x", {"X-Delete-After": str(EXPIRE_AFTER_S)})
            wrong += [] if status == 201 else [f"{name}: {status}"]
        time.sleep(EXPIRE_AFTER_S + 1)
        whole.make_whole(cluster, load, passes=1)
        cluster.once("object-expirer", (expirer_node,))
        load.states.update(dict.fromkeys(names))
        expired += len(names)
    passes, left = whole.make_whole(cluster, load)
    return f"{expired} objects expired, whole after {passes} passes", wrong + left + seen_wrong(cluster, load)


def auditors(cluster, args):
    """Each side's auditors read what the other side wrote, and set nothing aside."""
    load = world.World(ports(cluster), seed=args.seed)
    load.write(args.objects)
    _, wrong = whole.make_whole(cluster, load)
    for who in ("python", "ours"):
        for n in saio.NODES:
            cluster.who[n] = who
        for daemon in ("object-auditor", "container-auditor", "account-auditor"):
            cluster.once(daemon)
    aside = [str(path) for _, device in cluster.device_paths() for path in device.glob("quarantined/*/*")]
    read = len(load.there()) * 3
    return f"{read} files of objects read by each side's auditors", wrong + aside + whole.on_disk_wrong(cluster, load)


def replace(cluster, args):
    """Python's nodes are replaced by ours one at a time under load, on the same devices, and all by Python's again."""
    load = world.World(ports(cluster), seed=args.seed)
    load.write(args.objects // 2)
    wrong, changes = [], [(n, "ours") for n in PYTHON_NODES] + [(n, "python") for n in saio.NODES]
    changes += [(n, "ours") for n in OUR_NODES]
    with readers(cluster, load) as (all_of_them, any_one):
        for n, who in changes:
            writing = load.begin_writing(args.objects // 2)
            cluster.change_node(n, "python" if args.python_alone else who)
            writing.result()
            passes, left = whole.make_whole(cluster, load)
            wrong += [f"node {n} with {who}: {text}" for text in left]
    behind, at_fault = told.sort_out(cluster, any_one.findings, saio.NODES)
    print(*behind, sep="\n", flush=True)
    wrong += all_of_them.wrong + at_fault
    figure = (f"{len(changes)} nodes changed, {load.acknowledged} writes, {all_of_them.reads} reads of all replicas, "
              f"{any_one.reads} of any one, {len(behind)} of these from a node that had not been told of a write yet")
    return figure, wrong + seen_wrong(cluster, load)


@contextlib.contextmanager
def readers(cluster, load):
    """Two that read meanwhile, of all replicas and of any one. Whoever comes back has missed writes and is old until it is
    told, so that a client who must know asks all of them: our proxy, where there is one, as Swift's takes the newest bytes
    but what was posted to any copy of them."""
    newest_ports = [saio.PROXY_PORT["ours" if "ours" in cluster.proxies else "python"]]
    with world.Reader(load, newest=True, ports=newest_ports) as all_of_them, world.Reader(load) as any_one:
        yield all_of_them, any_one


def ports(cluster):
    return [saio.PROXY_PORT[who] for who in cluster.proxies]


def seen_wrong(cluster, load):
    """What either proxy says and is not so."""
    return load.wrong + [text for port in ports(cluster) for text in whole.through_proxy_wrong(load, port)]


PARTS = {part.__name__.replace("_", "-"): part for part in (
    functional_ours, functional_python, converge, updates, expiry, auditors, replace)}
