"""Where the Ingresses of this controller are reached: `status.loadBalancer` as its Service has it.

Unlike upstream there is no leader among several controllers: all of them would write the same, and
write only what differs. What was published stays when the last one ends (upstream:
`--update-status-on-shutdown=false`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ingresscontroller.watching import Watching
from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object, key_of, name_of, namespace_of
from kubeapi.resources import INGRESSES
from kubeapi.status import StatusError

_RETRY_S: Final = 1.0
_SHOWN: Final = ("hostname", "ip")


def addresses_of(service: Object) -> list[Object]:
    """Return what a Service says of where it is reached, as Ingresses show it."""
    spec = service.get("spec") or {}
    kind = spec.get("type")
    external = [{"ip": each} for each in spec.get("externalIPs") or []]
    if kind == "ExternalName":
        return [{"hostname": spec["externalName"]}]
    if kind == "LoadBalancer":
        given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        shown = [{key: each[key] for key in _SHOWN if each.get(key)} for each in given]
        return _sorted([each for each in shown if each] + external)
    if kind == "NodePort" and external:
        return _sorted(external)
    address = spec.get("clusterIP") or "None"
    return [] if address == "None" else [{"ip": address}]


def _sorted(entries: list[Object]) -> list[Object]:
    return sorted(entries, key=lambda each: (each.get("hostname", ""), each.get("ip", "")))


def outdated(ingress: Object, wanted: list[Object]) -> bool:
    """Tell whether the status of *ingress* says something else than *wanted*."""
    status = (ingress.get("status") or {}).get("loadBalancer") or {}
    return (status.get("ingress") or []) != wanted


class Publishing:
    """Writes statuses whenever something has changed."""

    def __init__(
        self, client: RestClient, watching: Watching, service: str, say: Callable[[str], None]
    ) -> None:
        self._client, self._watching, self._service = client, watching, service
        self._say = say
        self._changed = asyncio.Event()
        watching.on_change = self._changed.set

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._publish()
            except (StatusError, Unreachable) as error:
                self._say(f"updating status: {error}")
                await asyncio.sleep(_RETRY_S)
                self._changed.set()

    async def _publish(self) -> None:
        service = self._watching.services.get(self._service)
        if service is None:
            return
        wanted = addresses_of(service)
        for ingress in self._watching.ours():
            if outdated(ingress, wanted):
                await self._write(ingress, wanted)

    async def _write(self, ingress: Object, wanted: list[Object]) -> None:
        try:
            await self._client.patch(
                INGRESSES,
                name_of(ingress),
                {"status": {"loadBalancer": {"ingress": wanted}}},
                namespace_of(ingress),
                subresource="status",
            )
        except StatusError as error:
            if error.code != 404:  # Deleted meanwhile.
                raise
        else:
            shown = ", ".join(address for each in wanted for address in each.values())
            self._say(f"updating Ingress status: {key_of(ingress)} {shown or 'none'}")
