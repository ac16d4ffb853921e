"""iperf3, which measures what a network carries: client and server, with iperf3's own protocol.

TCP, both ways (`-R`), several streams (`-P`), for a time or an amount. Left out: UDP, SCTP, both
ways at once, authentication, and the columns of TCP_INFO (retransmissions, window), as on systems
without it.
"""

from __future__ import annotations

from typing import Final

from podruntime.images.busybox import APPLETS
from podruntime.images.busybox.curl import curl
from podruntime.images.image import Image
from podruntime.images.iperf3.command import iperf3
from podruntime.images.shell.builtins import sh

IMAGE: Final = Image(
    programs={**APPLETS, "iperf3": iperf3},
    entrypoint=("iperf3",),
    size=10_000_000,
)
#: A shell among network tools, as people bring it to look around.
NETSHOOT: Final = Image(
    programs={**APPLETS, "bash": sh, "curl": curl, "iperf3": iperf3, "zsh": sh},
    cmd=("zsh",),
    size=200_000_000,
)
