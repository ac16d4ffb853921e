"""What is said over one connection, scheme by scheme: requests out, answers in; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from loadgen.plan import LoadPlan
from loadgen.protocols.codec import Codec
from loadgen.protocols.dns import DnsCodec
from loadgen.protocols.echo import EchoCodec
from loadgen.protocols.http import HttpCodec

#: What makes the codec of a new connection.
CODECS: Final[Mapping[str, Callable[[LoadPlan], Codec]]] = {
    "http": HttpCodec,
    "https": HttpCodec,
    "tcp": EchoCodec,
    "udp": EchoCodec,
    "dns": DnsCodec,
}
