"""What the API server says becomes the table, the endpoints and the certificates.

Changes within a moment are taken together; each of the three is made anew as a whole and exchanged
at once, so a request sees the old world or the new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from componentbase.clock import monotonic
from componentbase.tasks import Tasks
from ingresscontroller.certificates import Certificates
from ingresscontroller.gateway import Gateway
from ingresscontroller.translation import Endpoints, Selection, classes_of, translate
from kubeapi.client import EventRecorder, Informer, RestClient
from kubeapi.objects import Object, annotations_of, key_of
from kubeapi.resources import (
    ENDPOINTSLICES,
    INGRESSCLASSES,
    INGRESSES,
    SECRETS,
    SERVICES,
    Resource,
)

#: How long a change waits for others; more than this nobody notices.
_TOGETHER_S: Final = 0.01
#: With very many Ingresses, at most so much of the time goes into tables: requests wait meanwhile.
_SHARE_MAX: Final = 0.2
_TLS: Final = "kubernetes.io/tls"


def slim_secret(secret: Object) -> Object:
    """Keep the data of certificates only."""
    kept = secret if secret.get("type") == _TLS else {"metadata": secret["metadata"]}
    return {key: kept[key] for key in ("metadata", "data") if key in kept}


class Watching:
    """Follows the API server."""

    def __init__(
        self,
        client: RestClient,
        gateway: Gateway,
        certificates: Certificates,
        selection: Selection,
        say: Callable[[str], None],
    ) -> None:
        self._gateway, self._certificates = gateway, certificates
        self._selection, self._say = selection, say
        self._recorder = EventRecorder(client, component="nginx-ingress-controller")
        self._changed = asyncio.Event()
        self._routes_changed = self._endpoints_changed = True
        self._told: dict[tuple[str, str], None] = {}
        self._served: dict[str, tuple[object, object]] = {}  # Ingress → spec and annotations.
        #: Called when Ingresses or Services have changed.
        self.on_change: Callable[[], None] = lambda: None
        self.ingresses = self._follow(client, INGRESSES, self._note_routes)
        self._classes = self._follow(client, INGRESSCLASSES, self._note_routes)
        self._secrets = self._follow(client, SECRETS, self._note_routes, slim_secret)
        self.services = self._follow(client, SERVICES, self._note_endpoints)
        self._slices = self._follow(client, ENDPOINTSLICES, self._note_endpoints)
        self._informers = (
            self.ingresses, self._classes, self._secrets, self.services, self._slices,
        )  # fmt: skip

    def _follow(
        self,
        client: RestClient,
        resource: Resource,
        note: Callable[[], None],
        transform: Callable[[Object], Object] | None = None,
    ) -> Informer:
        informer = Informer(client, resource, transform=transform)
        informer.add_handler(
            on_add=lambda _new: note(), on_update=lambda _old, _new: note(),
            on_delete=lambda _old: note(),
        )  # fmt: skip
        return informer

    def _note_routes(self) -> None:
        self._routes_changed = True
        self._changed.set()

    def _note_endpoints(self) -> None:
        self._endpoints_changed = True
        self._changed.set()

    def ours(self) -> list[Object]:
        """Return the Ingresses that this controller serves."""
        classes = classes_of(self._classes.items())
        return [each for each in self.ingresses.items() if self._selection.takes(each, classes)]

    async def run(self, tasks: Tasks) -> None:
        """Follow until cancelled."""
        for informer in self._informers:
            tasks.spawn(informer.run(), name="informer", essential=True)
        for informer in self._informers:
            await informer.wait_synced()
        while True:
            self._changed.clear()
            began = monotonic()
            self._take()
            took_s = monotonic() - began
            self._gateway.synced = True
            self.on_change()
            await self._changed.wait()
            await asyncio.sleep(max(_TOGETHER_S, took_s / _SHARE_MAX))

    async def close(self) -> None:
        """Stop telling of events."""
        await self._recorder.close()

    def _take(self) -> None:
        gateway = self._gateway
        if self._endpoints_changed:
            self._endpoints_changed = False
            gateway.use_endpoints(Endpoints(self.services.items(), self._slices.items()))
        if self._routes_changed:
            self._routes_changed = False
            self._take_routes()

    def _take_routes(self) -> None:
        gateway = self._gateway
        classes = classes_of(self._classes.items())
        made = translate(self.ingresses.items(), classes, self._selection)
        secrets = {key_of(each): each for each in self._secrets.items()}
        bad = self._certificates.update(made.table, secrets)
        gateway.table = made.table
        gateway.metrics.reloads += 1
        wrong = dict.fromkeys(made.wrong)
        wrong |= dict.fromkeys((key, f"the certificate of this Secret: {why}") for key, why in bad)
        self._tell_served()
        self._tell(wrong)

    def _tell_served(self) -> None:
        """Tell of each Ingress that is new or has changed, as upstream does."""
        served: dict[str, tuple[object, object]] = {}
        for ingress in self.ours():
            key, now = key_of(ingress), (ingress.get("spec"), annotations_of(ingress))
            if self._served.get(key) != now:
                self._recorder.event(ingress, "Normal", "Sync", "Scheduled for sync")
            served[key] = now
        self._served = served

    def _tell(self, wrong: dict[tuple[str, str], None]) -> None:
        """Tell each complaint once, in the log and as an event of its Ingress."""
        for key, text in wrong:
            if (key, text) in self._told:
                continue
            self._say(f"{key}: {text}")
            ingress = self.ingresses.get(key)
            if ingress is not None:
                self._recorder.event(ingress, "Warning", "Rejected", text)
        self._told = wrong
