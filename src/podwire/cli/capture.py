"""`podwire capture`: what crosses a node's or a pod's interface, as pcapng."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from componentbase import rpc
from componentbase.clock import wall_ns
from netdev.pcapng import PcapngWriter
from podwire.cli import CommandFailed, cluster_option, netlink
from podwire.cli.places import Place, place_of_pod
from podwire.cluster.layout import Layout, UsageError, node_name

_WRITE_EVERY_S: Final = 0.2
_SETTLE_NS: Final = 200_000_000


@click.command()
@cluster_option
@click.option("--node", "nodes", multiple=True, help="May be repeated. Default: all nodes.")
@click.option(
    "--interface", "-i", default="eth0", show_default=True, help="cni0, flannel.1, or a pod's."
)
@click.option("--pod", metavar="[NAMESPACE/]NAME", help="The interface of a pod instead.")
@click.option("--write", "-w", "target", default="-", help="File to write; - is standard output.")
@click.option("--count", "-c", type=click.IntRange(1), help="Stop after so many packets.")
@click.option("--duration", type=click.FloatRange(min=0.0), help="Stop after so many seconds.")
@click.option(
    "--snaplen",
    "-s",
    type=click.IntRange(64, 65535),
    default=65535,
    show_default=True,
    help="Octets kept of each packet.",
)
def capture(
    cluster_name: str,
    nodes: tuple[str, ...],
    interface: str,
    pod: str | None,
    target: str,
    count: int | None,
    duration: float | None,
    snaplen: int,
) -> None:
    """Write the frames of an interface as pcapng, until Ctrl-C.

    eth0 is the wire between the nodes: VXLAN in UDP, and what comes from outside.

    \b
    Examples:
    podwire capture --node node-1 -w node-1.pcapng
    podwire capture --pod web-0 -w - | wireshark -k -i -
    """
    if target == "-" and sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal: name a file with -w, or pipe into Wireshark"
        )
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    if pod is not None:
        places = [place_of_pod(paths, pod)]
    else:
        names = nodes or tuple(map(node_name, cluster.node_numbers))
        places = [Place(name, interface, name) for name in names]
    with _stream(target) as stream:
        recorder = _Recorder(PcapngWriter(stream, snaplen=snaplen), stream, count)
        asyncio.run(_capture(paths, places, recorder, snaplen=snaplen, duration_s=duration))
    click.echo(f"{recorder.packets} packets captured", err=True)
    if recorder.dropped:
        click.echo(f"{recorder.dropped} packets dropped: this reader was too slow", err=True)


@contextmanager
def _stream(target: str) -> Iterator[BinaryIO]:
    if target == "-":
        # Who reads may have seen enough and be gone: that is an end like any other.
        with suppress(BrokenPipeError), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as pipe:
            yield pipe
        return
    try:
        with Path(target).open("wb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from None


class _Recorder:
    """Writes what the datapaths tell, in order of time, until enough packets are there.

    Packets wait a moment, because several nodes' words overtake each other on their way here.
    """

    def __init__(self, writer: PcapngWriter, stream: BinaryIO, count: int | None) -> None:
        self._writer, self._stream, self._count = writer, stream, count
        self._waiting: list[tuple[int, str, str, bytes, int]] = []
        self.packets = self.dropped = 0
        self.enough = asyncio.Event()

    def listen(self, place: Place) -> Any:
        def on_tell(_connection: rpc.Connection, _method: str, params: rpc.Params) -> None:
            self.dropped += sum(params["dropped"].values())
            for at_ns, interface, direction, octets, length, _ in params["items"]:
                shown = f"{place.label} {interface}"
                self._waiting.append((at_ns, shown, direction, octets, length))
            if self._count is not None and self.packets + len(self._waiting) >= self._count:
                self.enough.set()

        return on_tell

    async def write_now_and_then(self) -> None:
        while not self.enough.is_set():
            self.write(until_ns=wall_ns() - _SETTLE_NS)
            try:
                async with asyncio.timeout(_WRITE_EVERY_S):
                    await self.enough.wait()
            except TimeoutError:
                continue

    def write(self, *, until_ns: int | None = None) -> None:
        """Write what is older than *until_ns*, or everything."""
        self._waiting.sort(key=lambda item: item[0])
        written = 0
        for at_ns, shown, direction, octets, length in self._waiting:
            if (until_ns is not None and at_ns > until_ns) or self.packets == self._count:
                break
            self._writer.packet(at_ns, shown, octets, direction=direction, original_length=length)
            self.packets += 1
            written += 1
        del self._waiting[:written]
        self._stream.flush()


async def _capture(
    paths: Layout,
    places: list[Place],
    recorder: _Recorder,
    *,
    snaplen: int,
    duration_s: float | None,
) -> None:
    clients = [await netlink.connect(paths, p.node, recorder.listen(p)) for p in places]
    try:
        for place, client in zip(places, clients, strict=True):
            await client.call("capture_open", {"interface": place.interface, "snaplen": snaplen})
        click.echo(f"capturing on {', '.join(p.describe() for p in places)}; Ctrl-C ends", err=True)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, recorder.enough.set)
        async with asyncio.timeout(duration_s):
            await recorder.write_now_and_then()
    except BrokenPipeError:
        return  # Who read has seen enough.
    except (TimeoutError, asyncio.CancelledError):
        pass  # The end that was asked for.
    except rpc.RpcError as error:
        raise CommandFailed(error.message) from None
    finally:
        for client in clients:
            await client.close()
        with suppress(BrokenPipeError):
            recorder.write()
