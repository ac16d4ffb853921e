"""The registry of network providers: what `podwire up --network NAME` may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from nodeagent.network.flannel import Flannel
from nodeagent.network.provider import NodeIdentity, Provider

PROVIDERS: Final[Mapping[str, Callable[[NodeIdentity], Provider]]] = {
    "flannel": Flannel,
}
