"""What all connections share: the table, the endpoints, whose turn it is, bounds and counters."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from componentbase.tasks import Tasks
from ingresscontroller.balancing import Balancer
from ingresscontroller.decision import Answer, Client, Decision, decide
from ingresscontroller.message import RequestHead
from ingresscontroller.metrics import Metrics
from ingresscontroller.pool import Pool
from ingresscontroller.record import AccessLog
from ingresscontroller.table import Table
from ingresscontroller.translation import Endpoints

_READY: Final = Answer(200, text="ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much; the defaults are ingress-nginx's."""

    handshake_s: float = 15.0  # For TLS to be agreed on; nginx has client-header-timeout.
    header_s: float = 60.0  # client-header-timeout: for a whole head.
    body_s: float = 60.0  # client-body-timeout: between two pieces of a body.
    keep_alive_s: float = 75.0  # keep-alive: between two requests.
    send_s: float = 60.0  # nginx' send_timeout: for a client that reads nothing.
    linger_s: float = 5.0  # nginx' lingering_timeout: for what a refused client still sends.
    requests_max: int = 1000  # keep-alive-requests: on one connection.
    connections_max: int = 16_384  # max-worker-connections.
    sweep_s: float = 0.5  # How often deadlines are looked at.


class Swept(Protocol):
    """A client's connection, as whoever looks after deadlines sees it."""

    def check(self, now: float) -> None:
        """End what has waited for too long."""

    def end_if_idle(self) -> None:
        """Close a connection on which nothing is under way."""


class Gateway:
    """Routes and their state; `table` and `endpoints` are exchanged as a whole."""

    def __init__(self, limits: Limits, rng: random.Random, write: Callable[[str], None]) -> None:
        self.limits, self.rng = limits, rng
        self.tasks = Tasks()
        self.metrics, self.log = Metrics(), AccessLog(write)
        self.table, self.endpoints = Table(), Endpoints()
        self.clients: dict[Swept, None] = {}
        self.balancer, self.pool = Balancer(), Pool()
        self.synced = False  # Whether the first table is there.
        self.draining = False  # Whether connections are to end after the request under way.
        self.backend_tls = _trusting_context()

    def decide(self, head: RequestHead, client: Client) -> Decision:
        """Decide about a request; raises Refused."""
        return decide(self.table, head, client, self.rng)

    def page(self, head: RequestHead, _client: Client) -> Decision:
        """Return a page of the status port."""
        path = head.target.partition(b"?")[0]
        if path == b"/healthz":
            return _READY if self.synced and not self.draining else Answer(503)
        if path == b"/metrics":
            return Answer(200, text=self.metrics.text(len(self.clients), len(self.pool)))
        return Answer(404)

    def take(self, client: Swept) -> bool:
        """Count *client* as a connection; return False if there are too many: it is to end."""
        if len(self.clients) >= self.limits.connections_max:
            self.metrics.refused["too many connections"] += 1
            return False
        self.clients[client] = None
        return True

    def leave(self, client: Swept) -> None:
        """Count *client* no more."""
        self.clients.pop(client, None)

    def sweep(self, now: float) -> None:
        """Look at every deadline, and write what was logged."""
        for each in list(self.clients):
            each.check(now)
        self.pool.sweep(now)
        self.log.flush()

    def end_idle(self) -> int:
        """Close connections on which nothing is under way; return how many others there are."""
        for each in list(self.clients):
            each.end_if_idle()
        return len(self.clients)

    def use_endpoints(self, endpoints: Endpoints) -> None:
        """Send requests to *endpoints* from now on."""
        self.endpoints = endpoints
        self.pool.retain(endpoints.all_addresses())


def _trusting_context() -> ssl.SSLContext:
    """Return how endpoints are spoken to by TLS: as nginx does, it asks for no proof."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
