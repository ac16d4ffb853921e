"""The ways of congestion control there are (net.ipv4.tcp_available_congestion_control)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from netstack.tcp.cubic import Cubic
from netstack.tcp.reno import Reno
from netstack.tcp.window import CongestionWindow

CongestionName = Literal["cubic", "reno"]

#: Takes the MSS.
CONGESTION_CONTROLS: Final[Mapping[CongestionName, Callable[[int], CongestionWindow]]] = {
    "cubic": Cubic,
    "reno": Reno,
}
