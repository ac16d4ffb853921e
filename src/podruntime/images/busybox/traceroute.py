"""busybox's traceroute and traceroute6: datagrams, with -I echo requests, with -T SYNs.

-T and -p for it are Linux's traceroute's; busybox has no such mode. Of busybox's other options -l,
-r, -v, -d, -x, -g and -t are not here. Names of hops are not looked up.
"""

from __future__ import annotations

from typing import Final

from netdev.probing import PAYLOAD_OCTETS_MAX
from netdev.traceroute import HOPS_MAX, QUERIES_MAX, Style, Traceroute
from netstack.probe import Method
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.busybox.network import family, resolve
from podruntime.images.process import Process, Program

_USAGE: Final = (
    "usage: traceroute [-46FInT] [-f 1ST_TTL] [-m MAXTTL] [-q PROBES] [-p PORT] [-s SRC_IP]"
    " [-w WAIT_SEC] HOST [BYTES]"
)
_OCTETS: Final = 46
_WAIT_S_MAX: Final = 60


@applet
async def traceroute(process: Process) -> int:
    """Trace the route to a host."""
    arguments = parse(process.arguments, "46FITnf:m:q:p:s:w:")
    if not 1 <= len(arguments.operands) <= 2:
        raise BadUsage(_USAGE)
    name, *rest = arguments.operands
    octets = _bounded(rest[0] if rest else str(_OCTETS), "packet size", PAYLOAD_OCTETS_MAX)
    address = await resolve(process, name, family(process, arguments))
    if address is None:
        return 1
    asked = Traceroute(
        address=address,
        name=name,
        method=_method(arguments),
        port=_option(arguments, "p", 0, 0xFFFF),
        first_hop=_option(arguments, "f", 1, HOPS_MAX),
        hops=_option(arguments, "m", 30, HOPS_MAX),
        queries=_option(arguments, "q", 3, QUERIES_MAX),
        wait_s=_option(arguments, "w", 3, _WAIT_S_MAX),
        octets=octets,
        source=arguments.value("s"),
        numeric="n" in arguments,
        style=Style.BUSYBOX,
    )
    if asked.first_hop > asked.hops:
        raise BadUsage(f"bad -f {asked.first_hop}: more than -m {asked.hops}")
    process.print(asked.title())
    try:
        await asked.run(process.network.probe, process.print)
    except ValueError as error:  # What -s cannot be.
        raise BadUsage(str(error)) from None
    return 0


def _method(arguments: Arguments) -> Method:
    if "T" in arguments:
        return Method.TCP
    return Method.ICMP if "I" in arguments else Method.UDP


def _option(arguments: Arguments, option: str, default: int, most: int) -> int:
    return _bounded(arguments.value(option, str(default)), f"-{option}", most)


def _bounded(text: str, what: str, most: int) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= most:
        raise BadUsage(f"invalid {what} '{text}': 0 to {most}")
    return int(text)


APPLETS: Final[dict[str, Program]] = {"traceroute": traceroute, "traceroute6": traceroute}
