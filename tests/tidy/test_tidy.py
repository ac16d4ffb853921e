"""The house rules that no off-the-shelf tool checks, read from the syntax trees.

Every message says what to do instead. An exception to a rule is a line in a table below, with
its reason; there is no other way around.
"""

from __future__ import annotations

import ast
import itertools
import re
import statistics
import subprocess
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src"

LINES_PER_FUNCTION_MAX: Final = 70
LINES_PER_FUNCTION_MEDIAN: Final = 10
LINES_PER_FUNCTION_P90: Final = 35
LINES_PER_MODULE_MAX: Final = 500
LINES_PER_MODULE_MEDIAN: Final = 200
POSITIONAL_MAX: Final = 5
NESTING_MAX: Final = 3

#: Every module decides and does no I/O, unless a pattern here names it: whose paths (`*` spans
#: folders) may see asyncio, sockets or clocks. Each line says why these are shells.
SHELLS: Final = {
    "*/__main__.py": "where a process begins",
    "*/run.py": "the shell of its room",
    "componentbase/*": "clock, tasks and calls are what it is for",
    "netdev/*": "where frames meet the world",
    "podwire/*": "the command line and the launcher act on processes",
    "controlplane/secure_serving.py": "answers HTTPS",
    "kubeapi/client/delegation.py": "asks the API server who may",
    "kubeapi/client/parts.py": "an informer waits for another",
    "kubeapi/client/rest.py": "asks the server",
    "controlplane/scheduler/binding.py": "binds while others are decided about",
    "controlplane/scheduler/reports.py": "tells the server",
    "controlplane/scheduler/framework/plugins/volume_binding.py": "its PreBind waits",
    "controlplane/scheduler/volumes.py": "writes what was chosen, waits for the binder",
    "controlplane/scheduler/waiting_pods.py": "pods wait there, with the loop's timers",
    "controlplane/scheduler/framework/fence.py": "bounds what a plugin of the user takes",
    "controlplane/scheduler/framework/handle.py": "says how a pod is bound",
    "controlplane/scheduler/framework/interface.py": "PreBind and Bind may wait for others",
    "controlplane/scheduler/framework/plugins/default_binder.py": "binds",
    "kubeapi/client/informer.py": "keeps a watch open",
    "kubeapi/client/workqueue.py": "workers wait for keys",
    "kubeapi/client/events.py": "sends what event_correlator lets through",
    "kubeapi/client/leader_election.py": "renews in time; its Candidate decides",
    "controlplane/storage/interface.py": "the store is asked and awaited",
    "controlplane/storage/embedded.py": "one store of SQLite and history",
    "controlplane/storage/watch_queue.py": "one task waits for what others offer",
    "controlplane/storage/etcd/follower.py": "keeps a watch open",
    "controlplane/storage/etcd/mark.py": "asks whose etcd it is",
    "controlplane/storage/etcd/members.py": "asks etcd's members, one or another",
    "controlplane/storage/etcd/shared_question.py": "several tasks await one answer",
    "controlplane/storage/etcd/store.py": "the store of etcd",
    "controlplane/storage/open.py": "opens the store that is asked for",
    "controlplane/storage/writer.py": "the thread that commits",
    "controlplane/apiserver/admission/*": "plugins that wait for a cache, or ask a webhook",
    "controlplane/apiserver/api_registration.py": "writes APIServices as kinds come and go",
    "controlplane/apiserver/apiextensions/controller.py": "follows the definitions",
    "controlplane/apiserver/apiextensions/conversion.py": "asks a webhook",
    "controlplane/apiserver/apiextensions/finalizing.py": "deletes, and waits for finalizers",
    "controlplane/apiserver/bootstrap.py": "creates what must be there",
    "controlplane/apiserver/cacher.py": "follows the store",
    "controlplane/apiserver/control.py": "answers calls",
    "controlplane/apiserver/conversion.py": "waits for conversions, and decides again",
    "controlplane/apiserver/endpoint_reconciler.py": "renews a lease in time",
    "nodeagent/kubelet/certificate_rotation.py": "waits until it is time, and asks",
    "controlplane/apiserver/flowcontrol/admission.py": "requests wait for seats",
    "controlplane/apiserver/housekeeping.py": "looks after the store now and then",
    "controlplane/apiserver/kubelet_proxy.py": "dials kubelets",
    "controlplane/apiserver/rbac_bootstrap.py": "creates roles and bindings",
    "controlplane/apiserver/registry/pages.py": "waits for a revision",
    "controlplane/apiserver/registry/registry.py": "writes and waits for the store",
    "controlplane/apiserver/registry/watch.py": "waits for a revision",
    "controlplane/apiserver/resource_metrics/scraper.py": "asks kubelets at each period",
    "controlplane/apiserver/routes/*": "answer by asking the registry",
    "controlplane/apiserver/sending.py": "writes answers, as fast as clients read",
    "controlplane/apiserver/server.py": "HTTP",
    "controlplane/apiserver/service_claims.py": "claims numbers in the store",
    "controlplane/apiserver/streams/port_forward.py": "carries connections",
    "controlplane/apiserver/streams/proxy.py": "carries requests",
    "controlplane/apiserver/streams/remote_command.py": "carries programs' streams",
    "controlplane/apiserver/streams/spdy_session.py": "readers and writers of streams that wait",
    "controlplane/apiserver/streams/upgrade.py": "hands connections on",
    "controlplane/apiserver/streams/web_socket.py": "WebSockets",
    "controlplane/apiserver/streams/wire.py": "connections taken over from aiohttp",
    "controlplane/apiserver/store_health.py": "asks the store in time",
    "controlplane/apiserver/watch_sender.py": "writes to a connection when there is room",
    "controlplane/controllermanager/history/revision_store.py": "writes ControllerRevisions",
    "controlplane/controllermanager/*/controller.py": "read caches, do what their plan says",
    "controlplane/controllermanager/context.py": "hands every controller its client and clock",
    "controlplane/controllermanager/job/orphans.py": "takes finalizers from pods",
    "controlplane/controllermanager/pod_control.py": "creates and deletes pods",
    "controlplane/controllermanager/statefulset/pod_control.py": "creates and deletes pods",
    "controlplane/controllermanager/servicelb/node_controller.py": "does what its plan says",
    "controlplane/controllermanager/servicelb/service_queue.py": "looks at Service after Service",
    "controlplane/controllermanager/servicelb/statuses.py": "writes what plans say",
    "nodeagent/cni/execute.py": "runs plugins as programs",
    "nodeagent/cni/gate.py": "who waits for whom",
    "nodeagent/cni/links.py": "asks the datapath for links",
    "nodeagent/cni/network.py": "calls plugins in turn; chain says what each is told",
    "nodeagent/cni/plugin.py": "where a plugin begins as a program",
    "nodeagent/cni/plugins.py": "does what plugins of ours yield",
    "nodeagent/hostnet.py": "asks the datapath for connections",
    "nodeagent/netlink.py": "asks the datapath for tables",
    "nodeagent/peer.py": "keeps a connection to a process of the node",
    "nodeagent/datapath/capture.py": "stamps packets with the wall clock",
    "nodeagent/datapath/conntrack_events.py": "stamps events and tells them turn by turn",
    "nodeagent/datapath/doorway.py": "a listening socket, and who waits there",
    "nodeagent/datapath/privileged_ports.py": "asks the kernel which ports it may bind",
    "nodeagent/datapath/gateway.py": "kernel connections to NodePorts",
    "nodeagent/datapath/host_listeners.py": "connections to processes of the node",
    "nodeagent/datapath/host_port_claims.py": "answers binds",
    "nodeagent/datapath/hostnet.py": "connections from the node",
    "nodeagent/datapath/netlink.py": "answers calls",
    "nodeagent/datapath/outside_services.py": "kernel sockets to services of the machine",
    "nodeagent/datapath/splice.py": "a kernel socket beside one of the stack",
    "nodeagent/datapath/udp_gateway.py": "kernel datagrams to NodePorts",
    "nodeagent/datapath/veth_ports.py": "pods' sockets",
    "nodeagent/hollow/*": "kubelets in one process; what they decide is the kubelet's",
    "nodeagent/kubelet/authorization.py": "asks the API server who may ask it",
    "nodeagent/kubelet/bootstrap.py": "asks for a certificate, and waits for it",
    "nodeagent/kubelet/container_start.py": "asks the runtime, step by step",
    "nodeagent/kubelet/housekeeping.py": "looks at what pods use, and evicts",
    "nodeagent/kubelet/image_manager.py": "asks the runtime; image_pull decides",
    "nodeagent/kubelet/kubelet.py": "one task per pod",
    "nodeagent/kubelet/node.py": "heartbeats; node_status and node_lease decide",
    "nodeagent/kubelet/object_cache.py": "asks the API server, once for all who ask together",
    "nodeagent/kubelet/streaming.py": "WebSockets beside Unix streams",
    "nodeagent/kubelet/volumes/*": "writes the files of volumes; payload says which",
    "nodeagent/kubelet/pod_sandbox.py": "asks CNI and the runtime",
    "nodeagent/kubelet/pod_termination.py": "waits for containers to end",
    "nodeagent/kubelet/pod_worker.py": "does what pod_actions says",
    "nodeagent/kubelet/probe_actions.py": "connects, as probes do",
    "nodeagent/kubelet/grpc_action.py": "connects, as probes do; componentbase.grpc decides",
    "nodeagent/kubelet/http_action.py": "connects, as probes do",
    "nodeagent/kubelet/prober.py": "probes in time; probe decides",
    "nodeagent/kubelet/runtime.py": "the connection to podruntime",
    "nodeagent/kubelet/server.py": "HTTPS",
    "nodeagent/kubelet/services.py": "asks the API server for what volumes need",
    "nodeagent/kubelet/shutdown.py": "waits for pods to end",
    "nodeagent/kubelet/static_pod_manager.py": "reads manifests, asks the API for mirrors",
    "nodeagent/kubelet/stats/pod_scraper.py": "asks pods",
    "nodeagent/kubelet/stats/provider.py": "one reading at a time",
    "nodeagent/kubelet/status_manager.py": "patches statuses",
    "nodeagent/network/ip_masq_agent.py": "follows a ConfigMap; ip_masq_config reads it",
    "nodeagent/network/egress_agent.py": "syncs when something changed; egress_gateway decides",
    "nodeagent/policy/agent.py": "syncs when something changed; the compiler decides",
    "nodeagent/proxy/health_check_server.py": "HTTP for load balancers",
    "nodeagent/proxy/kube_proxy.py": "syncs when something changed; the proxier decides",
    "loadgen/client.py": "the connections",
    "loadgen/commands/drive.py": "a run for the command line: a loop, signals, a terminal",
    "loadgen/outcome.py": "names the errors that sockets raise",
    "loadgen/pods/worker.py": "the program of a worker's pod",
    "loadgen/pods/fleet.py": "makes pods, fetches their logs and deletes them",
    "clusterdns/forwarding.py": "asks other resolvers; upstream.py decides whom",
    "clusterdns/server.py": "the sockets; answering.py decides",
    "clusterdns/status_pages.py": "HTTP, a few pages",
    "clusterdns/watching.py": "follows the API server",
    "ingresscontroller/frontend.py": "clients' connections; message, framing and decision decide",
    "ingresscontroller/entrance.py": "clients' connections while they agree on TLS",
    "ingresscontroller/exchange.py": "endpoints' connections; relay and balancing decide",
    "ingresscontroller/pool.py": "keeps connections",
    "ingresscontroller/watching.py": "follows the API server",
    "ingresscontroller/publishing.py": "writes statuses",
    "podruntime/handle.py": "the connection to one pod",
    "podruntime/cpu_throttle.py": "looks at what pods use, and lets them stand still",
    "podruntime/oom_killer.py": "looks at what pods use, and kills",
    "podruntime/runtime.py": "starts, watches and ends pods",
    "podruntime/sandbox/*": "an event loop, its sockets and processes, made of the stack",
    "podruntime/stats.py": "asks pods",
    "podruntime/images/*": "programs of pods: they read, wait and serve",
}

#: Cores within rooms that are shells on the whole.
CORES: Final = (
    "nodeagent/kubelet/volumes/payload.py",
    "podruntime/images/busybox/arguments.py",
    "podruntime/images/flags.py",
    "podruntime/images/http_message.py",
    "podruntime/images/image.py",
    "podruntime/images/reference.py",
    "podruntime/images/registry.py",
    "podruntime/images/shell/arithmetic.py",
    "podruntime/images/shell/lexer.py",
    "podruntime/images/shell/parser.py",
    "podruntime/sandbox/destination_order.py",
    "podruntime/sandbox/dns.py",
    "podruntime/sandbox/resolv_conf.py",
    "podwire/fabric/balancer.py",
    "podwire/fabric/config.py",
    "podwire/fabric/leg.py",
    "podwire/fabric/rules.py",
    "podwire/fabric/wire.py",
)

#: Where `Any` is at home: what was decoded from outside and has no type of ours yet.
ANY_ALLOWED: Final = {
    "componentbase/": "messages and callbacks of any type pass through",
    "kubeapi/": "API objects are maps of anything; `Object` is their one name",
    "podwire/": "prints what other processes answer",
}

BROAD_EXCEPT_ALLOWED: Final = (
    "componentbase/tasks.py",
    "componentbase/zygote.py",
    "podruntime/sandbox/protocols.py",
)
IO_MODULES: Final = {
    "asyncio",
    "socket",
    "select",
    "selectors",
    "subprocess",
    "threading",
    "uvloop",
    "aiohttp",
}
WALL_CLOCKS: Final = {
    ("time", "time"),
    ("time", "monotonic"),
    ("time", "sleep"),
    ("datetime", "now"),
}
CLOCKS: Final = {"monotonic", "wall", "wall_ns"}
UNFINISHED: Final = re.compile(r"\b(TODO|FIXME|X{3}|NotImplementedError)\b")
VAGUE_NAMES: Final = {"utils", "util", "common", "helpers", "helper", "core", "misc"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(path: Path) -> Iterator[FunctionNode]:
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: FunctionNode) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def in_rooms(path: Path, rooms: object) -> bool:
    name = name_of(path)
    assert isinstance(rooms, dict | tuple)
    return any(name.startswith(room) or name.endswith("/" + room) for room in rooms)


def is_core(path: Path) -> bool:
    name = name_of(path)
    return name in CORES or not any(fnmatch(name, pattern) for pattern in SHELLS)


MODULES: Final = modules()


def rule(advice: str) -> Callable[[Callable[[Path], object]], Callable[[], None]]:
    """Make a test of a check that returns what offends in one module."""

    def make(check: Callable[[Path], object]) -> Callable[[], None]:
        def test() -> None:
            offenders = {name_of(path): found for path in MODULES if (found := check(path))}
            assert not offenders, advice

        return test

    return make


@rule("open the module with what it is for")
def test_module_opens_with_its_purpose(path: Path) -> object:
    return bool(path.read_text().strip()) and not ast.get_docstring(tree_of(path))


@rule("cut it by role")
def test_module_is_short(path: Path) -> object:
    lines = len(path.read_text().splitlines())
    return lines if lines > LINES_PER_MODULE_MAX else None


@rule("cut these functions by what they do")
def test_functions_are_short(path: Path) -> object:
    return {f.name: length(f) for f in functions(path) if length(f) > LINES_PER_FUNCTION_MAX}


@rule("make the later ones keyword-only, or a value of them")
def test_functions_take_few_positional_parameters(path: Path) -> object:
    return {f.name: n for f in functions(path) if (n := _positional(f)) > POSITIONAL_MAX}


def _positional(function: FunctionNode) -> int:
    if any(
        word in ast.unparse(d) for d in function.decorator_list for word in ("click", "command")
    ):
        return 0  # Click hands options by name to a function of its own making.
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])


@rule("return early, or give the inner block a name of its own")
def test_nesting_is_shallow(path: Path) -> object:
    return {f.name: depth for f in functions(path) if (depth := _depth(f.body)) > NESTING_MAX}


def _depth(body: list[ast.stmt]) -> int:
    return max((_depth_of(statement) for statement in body), default=0)


def _depth_of(statement: ast.stmt) -> int:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return 0
    if isinstance(statement, ast.If) and _is_elif(statement.orelse):
        return max(1 + _depth(statement.body), _depth(statement.orelse))
    inner = [getattr(statement, part, []) for part in ("body", "orelse", "finalbody")]
    inner += [handler.body for handler in getattr(statement, "handlers", [])]
    inner += [case.body for case in getattr(statement, "cases", [])]
    if not any(inner):
        return 0
    # `try`, `with` and `match` read flat: only loops and conditions go deeper.
    flat = isinstance(statement, ast.Try | ast.With | ast.AsyncWith | ast.Match)
    return (0 if flat else 1) + max(_depth(block) for block in inner)


def _is_elif(orelse: list[ast.stmt]) -> bool:
    return len(orelse) == 1 and isinstance(orelse[0], ast.If)


@rule("name what can go wrong; componentbase.tasks catches the rest")
def test_no_broad_except(path: Path) -> object:
    if name_of(path) in BROAD_EXCEPT_ALLOWED:
        return None
    return [
        node.lineno
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]


@rule("catch componentbase.decoding.UNREADABLE: a text may be no UTF-8, or nest beyond the stack")
def test_decoding_fails_in_every_way_that_it_can(path: Path) -> object:
    return [
        node.lineno
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler)
        and node.type is not None
        and re.search(r"msgspec\.(Msgspec|Decode)Error", ast.unparse(node.type))
    ]


@rule("finish it, or say it in docs/parity.md")
def test_nothing_is_left_for_later(path: Path) -> object:
    return [n for n, line in enumerate(path.read_text().splitlines(), 1) if UNFINISHED.search(line)]


@rule("name it after the thing, as Kubernetes or Linux does")
def test_names_say_something(path: Path) -> object:
    return {part.removesuffix(".py") for part in path.relative_to(SOURCE).parts} & VAGUE_NAMES


@rule("take it as an argument; the room's run.py does the I/O")
def test_cores_know_no_io(path: Path) -> object:
    return None if not is_core(path) else _io_in(path)


def _io_in(path: Path) -> object:
    return set(_imports(path)) & IO_MODULES or [*_clock_reads(path), *_waits(path)]


def _imports(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def _clock_reads(path: Path) -> Iterator[int]:
    for node in nodes_of(path):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in WALL_CLOCKS
        ):
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "componentbase.clock":
            yield from (node.lineno for alias in node.names if alias.name in CLOCKS)


def _waits(path: Path) -> Iterator[int]:
    yield from (node.lineno for node in nodes_of(path) if isinstance(node, ast.AsyncFunctionDef))


@rule("name the type; kubeapi.objects.Object is the name of a decoded API object")
def test_no_any_where_types_are_known(path: Path) -> object:
    if in_rooms(path, ANY_ALLOWED):
        return None
    return [
        node.lineno for node in nodes_of(path) if isinstance(node, ast.Name) and node.id == "Any"
    ]


@rule("use a dict (it keeps order) or sort: one seed, one history")
def test_cores_do_not_iterate_over_sets(path: Path) -> object:
    if not is_core(path):
        return None
    loops = (n for n in nodes_of(path) if isinstance(n, ast.For | ast.comprehension))
    return [loop.iter.lineno for loop in loops if _is_set(loop.iter)]


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):  # a | b, a & b, a - b
        return _is_set(node.left) or _is_set(node.right)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


def test_exceptions_are_needed() -> None:
    """A line of a table above that names no module, or a shell that does no I/O, is stale."""
    shells = [name_of(path) for path in MODULES if _io_in(path)]
    names = [name_of(path) for path in MODULES]
    stale = [pattern for pattern in SHELLS if not any(fnmatch(name, pattern) for name in shells)]
    stale += [name for name in (*CORES, *BROAD_EXCEPT_ALLOWED) if name not in names]
    assert not stale, "delete these lines"


def test_functions_are_short_on_the_whole() -> None:
    lengths = sorted(length(f) for path in MODULES for f in functions(path))
    assert statistics.median(lengths) <= LINES_PER_FUNCTION_MEDIAN
    assert lengths[int(0.9 * len(lengths))] <= LINES_PER_FUNCTION_P90


def test_modules_are_short_on_the_whole() -> None:
    lengths = [len(path.read_text().splitlines()) for path in MODULES if path.name != "__init__.py"]
    assert statistics.median(lengths) <= LINES_PER_MODULE_MEDIAN


def test_every_module_is_reached() -> None:
    """A module that nobody imports and nobody starts is dead."""
    imported: dict[str, None] = {}
    for path in MODULES:
        package = path.relative_to(SOURCE).parent.as_posix().replace("/", ".")
        for name in _imported_names(path, package):
            imported[name] = None
    texts = "".join(path.read_text() for path in MODULES)  # Registries name modules as texts.
    dead = []
    for path in MODULES:
        dotted = name_of(path).removesuffix(".py").replace("/", ".")
        if (
            path.name in ("__init__.py", "__main__.py")
            or dotted in imported
            or f'"{dotted}' in texts
        ):
            continue
        dead.append(dotted)
    assert not dead, "delete them, or use them"


def _imported_names(path: Path, package: str) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*base, *([module] if module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_tests_mirror_the_source() -> None:
    """`tests/a/b/test_c.py` tests `src/a/b/c.py`, or the room `src/a/b/c/` or `src/a/b/`."""
    lost = []
    for test in sorted((ROOT / "tests").rglob("test_*.py")):
        parts = test.relative_to(ROOT / "tests").parts
        if parts[0] in ("tidy", "cluster", "compose", "fuzz", "peers"):
            continue
        folder = SOURCE.joinpath(*parts[:-1])
        if not folder.is_dir():
            lost.append(test.relative_to(ROOT).as_posix())
    assert not lost, "move each beside the room that it tests"


def test_no_generated_or_foreign_files() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    endings = (".pyc", ".pcapng", ".log", ".db", ".sock")
    assert not [name for name in listed.stdout.split() if name.endswith(endings)]


def test_documents_link_to_files_that_exist() -> None:
    broken: list[str] = []
    for page in itertools.chain(
        ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), SOURCE.rglob("*.md")
    ):
        targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
        broken += [f"{page}: {target}" for target in targets if not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("name", ["parity.md", "tcpip.md", "internals/upstream-tests.md"])
def test_documents_name_tests_that_exist(name: str) -> None:
    """A room of the page names its folder ("Tests in `…`"), its rows the tests below that."""
    page = (ROOT / "docs" / name).read_text()
    missing, named = [], 0
    for room in page.split("\n## "):
        folder = re.search(r"Tests in `(tests/[\w/]*)`", room)
        for file, test in re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?`", room):
            named += 1
            base = ROOT if file.startswith("tests/") or folder is None else ROOT / folder[1]
            if not (base / file).is_file() or test not in ("", *_tests_of(base / file)):
                missing.append(f"{file}::{test}")
    assert not missing, "name them by their path, or write them"
    assert named, "a row of this page names the test that shows it"


@cache
def _tests_of(path: Path) -> list[str]:
    return re.findall(r"^ *(?:async )?def (\w+)\(", path.read_text(), re.MULTILINE)
