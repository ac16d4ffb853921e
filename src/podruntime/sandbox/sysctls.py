"""A pod's sysctls (`securityContext.sysctls`): what they mean to the pod's stack.

The names are Linux's (Documentation/networking/ip-sysctl.rst), the values are judged as procfs
judges them: what is not one of these names is not there, what is out of range is an invalid
argument, and the sandbox is not made, as runc would not make it. Where this stack has less than
Linux (always probing for the MTU, cookies for everybody, other congestion controls) the value is
invalid, too. Three safe names have nothing to act on here: pods have no users, so every port
and every ping is everybody's, and no shared memory. They are judged and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from netstack import ports
from netstack.ports import PORT_MAX, Ephemeral
from netstack.tcp.congestion import CONGESTION_CONTROLS
from netstack.tcp.settings import TcpSettings

_INT_MAX: Final = 2**31 - 1
_BYTE_MAX: Final = 255
#: What TcpSettings takes for a buffer.
_BUFFER_MIN: Final = 1024
_BUFFER_MAX: Final = 2**30 - 1


class SysctlError(Exception):
    """A sysctl cannot be set; the text is runc's."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a pod's stack is made with."""

    tcp: TcpSettings
    ephemeral: Ephemeral = ports.EPHEMERAL


_Set = Callable[[Tuning, str], Tuning]


def tuned(tcp: TcpSettings, sysctls: Mapping[str, str]) -> Tuning:
    """Return *tcp* and the rest as *sysctls* want them; raises SysctlError."""
    tuning = Tuning(tcp)
    for name, text in sysctls.items():
        setter = SYSCTLS.get(name)
        if setter is None:
            path = "/proc/sys/" + name.replace(".", "/")
            raise SysctlError(f"open sysctl {name} file: open {path}: no such file or directory")
        try:
            tuning = setter(tuning, text)
        except ValueError:
            key = f"sysctl key {name}"
            raise SysctlError(f"write {key}: invalid argument (value {text!r})") from None
    return tuning


def _numbers(text: str, bounds: Sequence[tuple[int, int]]) -> list[int]:
    """Return as many numbers as there are *bounds*, each within its own; raises ValueError."""
    words = text.split()
    if len(words) != len(bounds) or not all(each.isascii() and each.isdigit() for each in words):
        raise ValueError(text)
    numbers = [int(word) for word in words]
    if any(not low <= each <= high for each, (low, high) in zip(numbers, bounds, strict=True)):
        raise ValueError(text)
    return numbers


def _tcp(field: str, low: int, high: int, make: Callable[[int], float] = int) -> _Set:
    """Return what sets one number of the settings, as *make* has it."""

    def set_one(tuning: Tuning, text: str) -> Tuning:
        (number,) = _numbers(text, ((low, high),))
        changed = replace(tuning.tcp, **{field: make(number)})  # type: ignore[arg-type]
        return replace(tuning, tcp=changed)

    return set_one


def _buffer(field: str) -> _Set:
    """Return what sets a buffer: the least (which nothing here needs), the first, the most."""

    def set_buffer(tuning: Tuning, text: str) -> Tuning:
        _least, first, most = _numbers(text, ((1, _INT_MAX),) * 3)
        octets = min(max(first, _BUFFER_MIN), _BUFFER_MAX)
        grown = min(most, _BUFFER_MAX)
        fields = {
            f"{field}_octets": octets,
            f"{field}_max_octets": grown if grown > octets else 0,
        }
        return replace(tuning, tcp=replace(tuning.tcp, **fields))  # type: ignore[arg-type]

    return set_buffer


def _congestion(tuning: Tuning, text: str) -> Tuning:
    for name in CONGESTION_CONTROLS:
        if name == text.strip():
            return replace(tuning, tcp=replace(tuning.tcp, congestion=name))
    raise ValueError(text)


def _port_range(tuning: Tuning, text: str) -> Tuning:
    first, last = _numbers(text, ((1, PORT_MAX),) * 2)
    if first > last:
        raise ValueError(text)
    return replace(tuning, ephemeral=replace(tuning.ephemeral, first=first, last=last))


def _reserved_ports(tuning: Tuning, text: str) -> Tuning:
    """Take a list as "8080,9000-9100"; "" is none."""
    reserved: dict[int, None] = {}
    for item in filter(None, text.strip().split(",")):
        first, dash, last = item.partition("-")
        (begin,) = _numbers(first, ((1, PORT_MAX),))
        (end,) = _numbers(last, ((begin, PORT_MAX),)) if dash else (begin,)
        reserved.update(dict.fromkeys(range(begin, end + 1)))
    return replace(tuning, ephemeral=replace(tuning.ephemeral, reserved=frozenset(reserved)))


def _without_effect(*bounds: tuple[int, int]) -> _Set:
    def judge(tuning: Tuning, text: str) -> Tuning:
        _numbers(text, bounds)
        return tuning

    return judge


SYSCTLS: Final[Mapping[str, _Set]] = {
    "kernel.shm_rmid_forced": _without_effect((0, 1)),
    "net.ipv4.ip_local_port_range": _port_range,
    "net.ipv4.ip_local_reserved_ports": _reserved_ports,
    "net.ipv4.ip_unprivileged_port_start": _without_effect((0, PORT_MAX)),
    "net.ipv4.ping_group_range": _without_effect((0, _INT_MAX), (0, _INT_MAX)),
    "net.ipv4.tcp_congestion_control": _congestion,
    "net.ipv4.tcp_ecn": _tcp("ecn", 0, 2),
    "net.ipv4.tcp_fin_timeout": _tcp("fin_timeout_s", 0, _INT_MAX, float),
    "net.ipv4.tcp_invalid_ratelimit": _tcp(
        "invalid_ratelimit_s", 0, _INT_MAX, lambda number: number / 1000
    ),
    "net.ipv4.tcp_keepalive_intvl": _tcp("keepalive_interval_s", 1, _INT_MAX, float),
    "net.ipv4.tcp_keepalive_probes": _tcp("keepalive_probes", 1, _BYTE_MAX),
    "net.ipv4.tcp_keepalive_time": _tcp("keepalive_idle_s", 1, _INT_MAX, float),
    "net.ipv4.tcp_max_tw_buckets": _tcp("time_wait_max", 0, _INT_MAX),
    "net.ipv4.tcp_mtu_probing": _tcp("mtu_probing", 0, 1),
    "net.ipv4.tcp_retries2": _tcp("retries", 1, _BYTE_MAX),
    "net.ipv4.tcp_rmem": _buffer("receive_buffer"),
    "net.ipv4.tcp_sack": _tcp("sack", 0, 1, bool),
    "net.ipv4.tcp_syn_retries": _tcp("syn_retries", 1, 127),
    "net.ipv4.tcp_synack_retries": _tcp("synack_retries", 0, _BYTE_MAX),
    "net.ipv4.tcp_syncookies": _tcp("syncookies", 0, 1, bool),
    "net.ipv4.tcp_timestamps": _tcp("timestamps", 0, 2, bool),
    "net.ipv4.tcp_wmem": _buffer("send_buffer"),
}
