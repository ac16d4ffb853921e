"""What Wireshark thinks of a capture: its expert information, with all checksums checked.

Only the protocols that are meant are dissected: an ephemeral port may be one that Wireshark gives
to EtherCAT and the like.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROTOCOLS = ("frame", "eth", "ethertype", "arp", "ip", "ipv6", "icmp", "icmpv6", "udp", "tcp",
              "vxlan", "data", "eth_maybefcs", "eth_withoutfcs")  # fmt: skip
_CHECKS = ("ip.check_checksum", "udp.check_checksum", "tcp.check_checksum")
#: Severities of expert information: a chat is how TCP normally goes.
_CHAT = 0x200000
_LIMIT_S = 60
_BETWEEN = "~"  # No message has one.

#: Types of ICMP errors whose own checksum is good: Wireshark takes the beginning of a segment that
#: they quote for the whole, and finds its checksum wrong.
_GOOD_ERRORS = (["3", "1", "", ""], ["11", "1", "", ""], ["", "", "1", "1"], ["", "", "2", "1"])
#: It notes the ends of connections, too; and that Linux (skb_checksum_help) writes a TCP checksum
#: of 0 as 0xffff, which is as good: we write 0.
_NORMAL = ("connection closing", "tcp checksum 0xffff instead of 0x0000")
#: What TCP does about losses, and what it looks like at an end.
REPAIRS = (
    "retransmission", "duplicate ack", "out-of-order", "previous segment", "acked segment",
    "d-sack",
)  # fmt: skip
#: What a slow or stopped reader brings about.
FULL_WINDOWS = ("zero window", "window is completely full", "is now completely full")
#: A port that is used again begins with another number.
REUSE = ("started with the same ports",)
RESETS = ("(rst)",)
KEEPALIVES = ("keep-alive",)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is odd about a packet."""

    frame: int
    message: str


def tshark(file: Path, *options: str) -> str:
    """Return what tshark prints about *file*."""
    command = ["tshark", "-n", "-r", str(file)]
    for name in _CHECKS:
        command += ["-o", f"{name}:TRUE"]
    return _run([*command, *options], _settings())


def _run(command: list[str], settings: str = "") -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        env={**os.environ, "WIRESHARK_CONFIG_DIR": settings} if settings else None,
    )  # fmt: skip
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}"
    return done.stdout


@cache
def _settings() -> str:
    """Return a directory of settings that are nobody's own, with all other protocols disabled."""
    directory = tempfile.mkdtemp(prefix="podwire-wireshark-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    lines = _run(["tshark", "-G", "protocols"]).splitlines()
    others = [name for line in lines if (name := line.split("\t")[2]) not in _PROTOCOLS]
    Path(directory, "disabled_protos").write_text("\n".join(others))
    return directory


def findings(file: Path, accept: Collection[str] = ()) -> list[Finding]:
    """Return what Wireshark finds odd, but for messages that contain a text of *accept*."""
    fine = (*_NORMAL, *accept)
    return [
        each for each in _expert(file) if not any(text in each.message.lower() for text in fine)
    ]


def _expert(file: Path) -> Iterator[Finding]:
    fields = [
        "frame.number", "_ws.expert.severity", "_ws.expert.message", "_ws.malformed",
        "icmp.type", "icmp.checksum.status", "icmpv6.type", "icmpv6.checksum.status",
    ]  # fmt: skip
    words = [word for name in fields for word in ("-e", name)]
    printed = tshark(
        file, "-Y", "_ws.expert || _ws.malformed", "-T", "fields",
        "-E", f"aggregator={_BETWEEN}", *words,
    )  # fmt: skip
    for line in printed.splitlines():
        frame, severities, messages, malformed, *icmp = line.split("\t")
        if malformed:
            yield Finding(int(frame), "malformed: " + malformed)
        pairs = zip(severities.split(_BETWEEN), messages.split(_BETWEEN), strict=True)
        for severity, message in pairs:
            quoted = icmp in _GOOD_ERRORS and message.startswith("Bad checksum")
            if severity and int(severity, 0) > _CHAT and not quoted:
                yield Finding(int(frame), message)
