"""`podwire capture`: what crosses nodes' and pods' interfaces, as pcapng."""

from __future__ import annotations

import asyncio
import platform
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

import click

from componentbase import rpc
from componentbase.clock import monotonic, wall_ns
from netdev.pcapng import PcapngWriter, Stream
from podwire.cli import CommandFailed, cluster_option, netlink
from podwire.cli.capture_files import CaptureFiles, Item, Rotation, Target, open_target
from podwire.cli.capture_merge import Merge
from podwire.cli.capture_names import InterfaceNames, interface_names, plain_filter
from podwire.cli.places import Place, place_of_pod
from podwire.cli.units import DURATIONS, Quantity
from podwire.cluster.layout import Layout, UsageError, node_name

_LOOK_EVERY_S: Final = 0.2
_SECONDS: Final = Quantity("duration", {"": 1.0, **DURATIONS}, "10s")
_OCTETS: Final = Quantity("size", {"": 1e6, "kb": 1e3, "mb": 1e6, "gb": 1e9}, "10MB")


@click.command()
@click.argument("expression", nargs=-1, metavar="[FILTER]...")
@cluster_option
@click.option("--node", "nodes", multiple=True, help="May be repeated. Default: all nodes.")
@click.option(
    "--interface",
    "-i",
    "interfaces",
    multiple=True,
    metavar="NAME",
    help="eth0 (the default), cni0, flannel.1, a pod's veth, or any; may be repeated.",
)
@click.option(
    "--pod",
    "pods",
    multiple=True,
    metavar="[NAMESPACE/]NAME",
    help="A pod's own interface, besides or instead of nodes; may be repeated.",
)
@click.option("--inner", is_flag=True, help="Let the filter hold for frames within VXLAN, too.")
@click.option("--write", "-w", "target", default="-", help="File to write; - is standard output.")
@click.option("--count", "-c", type=click.IntRange(1), help="Stop after so many packets.")
@click.option("--duration", type=_SECONDS, help="Stop after this time: 10s, 2m.")
@click.option(
    "--snaplen",
    "-s",
    type=click.IntRange(64, 262144),
    default=65535,
    show_default=True,
    help="Octets kept of each packet.",
)
@click.option("-C", "size", type=_OCTETS, default=0.0, help="Next file after so much: 10MB.")
@click.option("-G", "seconds", type=_SECONDS, default=0.0, help="Next file after this time: 60s.")
@click.option(
    "-W", "files", type=click.IntRange(1), default=None,
    help="So many files: with -C the first is written again, with -G alone it ends.",
)  # fmt: skip
def capture(cluster_name: str, **options: Any) -> None:
    """Write the frames of interfaces as pcapng, until Ctrl-C.

    eth0 is the wire between the nodes: VXLAN in UDP, and what comes from outside. Each packet has a
    comment: which path it took, what was translated, where it went or why it was dropped. FILTER is
    tcpdump's, with pods and Services as hosts; behind the word vxlan it speaks of the inner frame.

    \b
    Examples:
    podwire capture --node node-1 -w node-1.pcapng
    podwire capture --pod web-0 -w - | wireshark -k -i -
    podwire capture -i any -w - tcp port 80 and syn | tshark -r -
    podwire capture -w wire.pcapng vxlan and svc default/web
    podwire capture -C 10MB -W 5 -w ring.pcapng
    """
    paths = Layout.of(cluster_name)
    chosen = _Options(**options)
    if chosen.files is not None and not chosen.rotation:
        raise UsageError("-W counts the files that -C or -G make: give one of them")
    places = _places(paths, chosen)
    request = _Request(
        paths,
        places,
        chosen,
        interface_names(paths, dict.fromkeys(place.node for place in places)),
        plain_filter(paths, " ".join(chosen.expression), inner=chosen.inner),
    )
    asyncio.run(_Session(request).run())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What was typed."""

    expression: tuple[str, ...]
    nodes: tuple[str, ...]
    interfaces: tuple[str, ...]
    pods: tuple[str, ...]
    inner: bool
    target: str
    count: int | None
    duration: float | None
    snaplen: int
    size: float
    seconds: float
    files: int | None

    @property
    def rotation(self) -> Rotation:
        return Rotation(self.size, self.seconds, self.files or 0)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is captured, and where to."""

    paths: Layout
    places: list[Place]
    options: _Options
    names: InterfaceNames
    wanted: str  # The filter, without names.


def _places(paths: Layout, chosen: _Options) -> list[Place]:
    """Return every interface that is meant, once."""
    cluster = paths.read_cluster()
    places = [place_of_pod(paths, pod) for pod in dict.fromkeys(chosen.pods)]
    if chosen.nodes or chosen.interfaces or not places:
        nodes = dict.fromkeys(chosen.nodes or map(node_name, cluster.node_numbers))
        interfaces = dict.fromkeys(chosen.interfaces or ("eth0",))
        places += [Place(node, name, node) for node in nodes for name in interfaces]
    return places


@dataclass(slots=True)
class _Source:
    """A connection that tells of one interface."""

    place: Place
    client: rpc.Client
    ended: bool = field(default=False)


class _Session:
    """A capture from its beginning to its end."""

    def __init__(self, request: _Request) -> None:
        self._request, options = request, request.options
        self._merge = Merge(sources=len(request.places), count=options.count)
        self._sources: list[_Source] = []
        self._wake, self._stop = asyncio.Event(), asyncio.Event()
        self._is_single = len(request.places) == 1
        self._status = _Status()
        self._target: Target | None = None

    async def run(self) -> None:
        """Capture until it is enough; raises CommandFailed when nobody is left to tell."""
        options = self._request.options
        try:
            await self._connect()
            await self._open()
            self._target = await open_target(options.target, options.rotation)
            try:
                await self._until_the_end(self._target)
            finally:
                self._status.clear()
                await _close(self._target)
        finally:
            for source in self._sources:
                await source.client.close()
        if all(source.ended for source in self._sources):
            raise CommandFailed(f"no datapath is left to capture at; {self._summary()}")

    async def _connect(self) -> None:
        """Connect to every place's node; one that nobody asked for by name may be dead."""
        dead: CommandFailed | None = None
        for place in self._request.places:
            try:
                client = await netlink.connect(self._request.paths, place.node, self._listen(place))
            except CommandFailed as error:
                if place.is_pod or self._request.options.nodes:
                    raise
                dead = error
                click.echo(f"podwire: {error}", err=True)
            else:
                self._sources.append(_Source(place, client))
        if dead is not None and not self._sources:
            raise dead

    async def _open(self) -> None:
        options, wanted = self._request.options, self._request.wanted
        for source in self._sources:
            asked = {"interface": source.place.interface, "snaplen": options.snaplen}
            try:
                await source.client.call("capture_open", {**asked, "filter": wanted})
            except rpc.RpcError as error:
                wrong = UsageError if error.code == "InvalidArgument" else CommandFailed
                raise wrong(f"{source.place.node}: {error.message}") from None

    def _new_files(self, target: Target) -> CaptureFiles:
        places = [source.place for source in self._sources]
        rotation = self._request.options.rotation
        described = {
            self._shown(place, place.interface): place.describe()
            for place in places
            if place.interface != "any"
        }
        files = CaptureFiles(target, rotation, self._new_writer, described, wall_ns())
        where = ", ".join(place.describe() for place in places)
        click.echo(f"capturing on {where}; Ctrl-C ends", err=True)
        return files

    def _new_writer(self, stream: Stream) -> PcapngWriter:
        return PcapngWriter(
            stream,
            application=f"podwire {version('podwire')}",
            hardware=platform.machine(),
            system=platform.platform(),
            wanted=self._request.wanted,
            snaplen=self._request.options.snaplen,
        )

    def _listen(self, place: Place) -> Callable[[rpc.Connection, str, rpc.Params], None]:
        def on_tell(_connection: rpc.Connection, _method: str, params: rpc.Params) -> None:
            for interface, lost in params["dropped"].items():
                self._merge.dropped[self._shown(place, interface)] += lost
            items = [self._item(place, *told) for told in params["items"]]
            self._merge.add(items, self._target.backlog_octets if self._target else 0)
            if self._is_single or self._merge.is_complete:
                self._wake.set()

        return on_tell

    def _item(self, place: Place, at_ns: int, interface: str, *rest: Any) -> Item:
        direction, octets, length, verdict = rest
        comment = self._request.names.say(place.node, verdict)
        return Item(at_ns, self._shown(place, interface), direction, octets, length, comment)

    def _shown(self, place: Place, interface: str) -> str:
        """Return what the capture calls an interface."""
        if place.is_pod:
            return place.label
        return self._request.names.of(place.node, interface)

    async def _until_the_end(self, target: Target) -> None:
        loop, options = asyncio.get_running_loop(), self._request.options
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._finish)
        if options.duration is not None:
            loop.call_later(options.duration, self._finish)
        try:
            self._files = self._new_files(target)
            self._status.begin()
            while not (self._is_over() or target.is_gone):
                self._write(self._merge.due(wall_ns()))
                self._status.show(self._merge)
                self._note_the_dead()
                await self._pause()
            self._write(self._merge.rest())
            self._files.end(wall_ns())
        except BrokenPipeError:
            pass  # Who read has seen enough.
        except OSError as error:
            where = error.filename or options.target
            raise CommandFailed(f"{where}: {error.strerror}; {self._summary()}") from None
        self._status.clear()
        click.echo(self._summary(), err=True)
        for line in self._by_interface():
            click.echo(line, err=True)

    def _finish(self) -> None:
        self._stop.set()
        self._wake.set()

    def _is_over(self) -> bool:
        return (
            self._stop.is_set()
            or self._merge.is_complete
            or self._files.is_full
            or all(source.ended for source in self._sources)
        )

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _write(self, items: list[Item]) -> None:
        self._files.dropped.update(self._merge.dropped)
        for item in items:
            self._files.write(item)
        self._files.flush(wall_ns())

    def _note_the_dead(self) -> None:
        for source in self._sources:
            if source.client.closed.is_set() and not source.ended:
                source.ended = True
                self._status.clear()
                click.echo(
                    f"podwire: the datapath of {source.place.node} has ended: "
                    f"nothing more comes from {source.place.describe()}",
                    err=True,
                )

    def _summary(self) -> str:
        merge = self._merge
        text = f"{merge.written} packets captured"
        lost = sum(merge.dropped.values())
        return text + (f", {lost} dropped: this reader was too slow" if lost else "")

    def _by_interface(self) -> list[str]:
        merge = self._merge
        names = list(dict.fromkeys([*merge.packets, *merge.dropped]))
        if len(names) < 2:
            return []
        width = max(map(len, names))
        return [
            f"  {name:<{width}}  {merge.packets[name]:>8} packets"
            + (f"  {merge.dropped[name]} dropped" if merge.dropped[name] else "")
            for name in names
        ]


async def _close(target: Target) -> None:
    with suppress(OSError):  # A full disk, again: it was said before.
        await target.close()


class _Status:
    """A line on the terminal that says how far the capture is; nothing where there is none."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._began = monotonic()
        self._shown = ""

    def begin(self) -> None:
        self._began = monotonic()

    def show(self, merge: Merge) -> None:
        """Say what has been captured."""
        if not self._is_shown:
            return
        lost = sum(merge.dropped.values())
        text = (
            f"{merge.written} packets, {merge.octets / 1e6:.1f} MB, {lost} dropped, "
            f"{monotonic() - self._began:.0f} s"
        )
        if text != self._shown:
            self._shown = text
            click.echo(f"\r{text}\x1b[K", err=True, nl=False)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = ""
            click.echo("\r\x1b[K", err=True, nl=False)
