"""`podwire node drain`: take a node out of service gently, as kubectl drain does.

Options, order and messages are kubectl's, so that what is learnt here holds there: the node is
cordoned, its pods are looked at (`drain_filters`), and when none forbids it each is evicted. A pod
whose disruption budget refuses is asked for again until the budget allows it. One deviation: that
is done every second, not every five, since the lab's pods start ten times as fast.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Final

import click

from componentbase import clock
from kubeapi.client import RestClient
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import PODS
from kubeapi.selectors import SelectorError, parse_label_selector
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed, api, cluster_option
from podwire.cli.cordon import known_node, mark, suffix
from podwire.cli.drain_filters import Allowed, Judged, daemon_set_of, errors, judge, warnings
from podwire.cli.units import DURATION, duration_text
from podwire.cluster.layout import UsageError

_POLL_S: Final = 0.1
_AGAIN_S: Final = 1.0
_TOO_MANY_REQUESTS: Final = 429
_NAMED_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How pods are taken away."""

    allowed: Allowed
    disable_eviction: bool = False
    dry_run: str = ""  # "server" or "client"
    grace_s: int | None = None
    pod_selector: str = ""
    timeout_s: float = math.inf


@click.command()
@click.argument("target", metavar="NAME")
@click.option("--force", is_flag=True, help="Also pods that declare no controller.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave DaemonSet-managed pods alone.")
@click.option("--delete-emptydir-data", is_flag=True, help="Also pods with an emptyDir.")
@click.option("--disable-eviction", is_flag=True, help="Delete, past all disruption budgets.")
@click.option(
    "--grace-period",
    type=int,
    default=-1,
    show_default=True,
    help="Seconds for each pod to end. Negative: what the pod says itself.",
)
@click.option("--pod-selector", default="", help="Only pods with these labels.")
@click.option(
    "--skip-wait-for-delete-timeout",
    type=click.IntRange(0),
    default=0,
    help="Do not wait for pods that have been ending for more seconds.",
)
@click.option(
    "--timeout", type=DURATION, default="0s", show_default=True, help="Give up after; 0s: never."
)
@click.option(
    "--dry-run",
    type=click.Choice(["none", "server", "client"]),
    default="none",
    show_default=True,
    help="Only say what would be done.",
)
@cluster_option
def drain(target: str, cluster_name: str, **given: Any) -> None:
    """Cordon a node and evict its pods; return when they are gone.

    \b
    Examples:
      podwire node drain node-2 --ignore-daemonsets --delete-emptydir-data
      podwire node drain node-2 --force --grace-period 5 --timeout 60s
    """
    options = _options(**given)
    paths = known_node(cluster_name, target)
    api.run(paths, lambda client: _drain(client, target, options))


def _options(
    *,
    grace_period: int,
    pod_selector: str,
    timeout: float,
    dry_run: str,
    disable_eviction: bool,
    skip_wait_for_delete_timeout: int,
    **allowed: bool,
) -> Options:
    try:
        parse_label_selector(pod_selector)
    except SelectorError as error:
        raise UsageError(f"--pod-selector {pod_selector!r}: {error}") from None
    return Options(
        allowed=Allowed(skip_deleted_after_s=skip_wait_for_delete_timeout, **allowed),
        disable_eviction=disable_eviction,
        dry_run="" if dry_run == "none" else dry_run,
        grace_s=None if grace_period < 0 else grace_period,
        pod_selector=pod_selector,
        timeout_s=timeout or math.inf,
    )


async def _drain(client: RestClient, node: str, options: Options) -> None:
    await mark(client, node, unschedulable=True, dry_run=options.dry_run)
    judged = await look(client, node, options)
    if wrong := errors(judged):
        raise CommandFailed(f'unable to drain node "{node}" due to error: {wrong}')
    if warned := warnings(judged):
        click.echo(f"Warning: {warned}", err=True)
    await _Drain(client, options, node).all([one.pod for one in judged if one.goes])
    click.echo(f"node/{node} drained{suffix(options.dry_run)}")


async def look(client: RestClient, node: str, options: Options) -> list[Judged]:
    """Return what a drain would do with each pod of *node*."""
    found = await client.list(
        PODS, field_selector=f"spec.nodeName={node}", label_selector=options.pod_selector
    )
    named = dict.fromkeys(key for pod in found["items"] if (key := daemon_set_of(pod)))
    daemon_sets = [key for key in named if await _daemon_set_is_there(client, key)]
    return judge(found["items"], options.allowed, daemon_sets, clock.wall())


async def left_behind(client: RestClient, node: str) -> str:
    """Return which pods a drain of *node* would still take away; "" for none."""
    everything = Allowed(force=True, ignore_daemonsets=True, delete_emptydir_data=True)
    judged = await look(client, node, Options(allowed=everything))
    lost = [key_of(one.pod) for one in judged if one.goes]
    more = f" and {len(lost) - _NAMED_MAX} more" if len(lost) > _NAMED_MAX else ""
    return ", ".join(lost[:_NAMED_MAX]) + more


async def _daemon_set_is_there(client: RestClient, key: str) -> bool:
    namespace, _, name = key.partition("/")
    try:
        await client.raw("GET", f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}")
    except StatusError as error:
        if is_not_found(error):
            return False
        raise
    return True


class _Drain:
    """Takes pods away, all at once, each in its own time."""

    def __init__(self, client: RestClient, options: Options, node: str) -> None:
        self._client, self._options, self._node = client, options, node
        self._left: dict[str, str] = {}  # pod -> what it is waited for

    async def all(self, pods: list[Object]) -> None:
        """Return when every pod is gone; raises CommandFailed, StatusError."""
        timeout_s = self._options.timeout_s
        try:
            async with asyncio.timeout(None if math.isinf(timeout_s) else timeout_s):
                await asyncio.gather(*map(self._take, pods))
        except TimeoutError:
            text = f"global timeout reached: {duration_text(timeout_s)}"
            left = "; ".join(f"{key} {why}" for key, why in self._left.items())
            raise CommandFailed(
                f'unable to drain node "{self._node}" due to error: {text}: {left}'
            ) from None

    async def _take(self, pod: Object) -> None:
        key, options = key_of(pod), self._options
        verb = "deleting" if options.disable_eviction else "evicting"
        click.echo(f"{verb} pod {key}{suffix(options.dry_run)}")
        if options.dry_run == "client":
            return
        self._left[key] = "has not ended"
        while not await self._ask(pod):
            await asyncio.sleep(_AGAIN_S)
        if options.dry_run:
            return
        while not await self._is_gone(pod):
            await asyncio.sleep(_POLL_S)
        del self._left[key]
        click.echo(f"pod/{name_of(pod)} {'deleted' if options.disable_eviction else 'evicted'}")

    async def _ask(self, pod: Object) -> bool:
        """Delete or evict *pod*; return False when its budget forbids it for now."""
        key, name = key_of(pod), name_of(pod)
        try:
            await (self._delete(pod) if self._options.disable_eviction else self._evict(pod))
        except StatusError as error:
            if is_not_found(error):
                return True
            if error.code != _TOO_MANY_REQUESTS:
                verb = "deleting" if self._options.disable_eviction else "evicting"
                text = f'error when {verb} pods/"{name}" -n "{namespace_of(pod)}": {error.message}'
                raise CommandFailed(text) from None
            self._left[key] = f"is not evicted: {why_refused(error)}"
            click.echo(
                f'error when evicting pods/"{name}" -n "{namespace_of(pod)}" '
                f"(will retry after {duration_text(_AGAIN_S)}): {error.message}",
                err=True,
            )
            return False
        self._left[key] = "has not ended"
        return True

    async def _evict(self, pod: Object) -> None:
        options: dict[str, Any] = {}
        if self._options.grace_s is not None:
            options["gracePeriodSeconds"] = self._options.grace_s
        if self._options.dry_run:
            options["dryRun"] = ["All"]
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name_of(pod), "namespace": namespace_of(pod)},
            "deleteOptions": options,
        }
        await self._client.create(
            PODS, eviction, namespace_of(pod), subresource="eviction", name=name_of(pod)
        )

    async def _delete(self, pod: Object) -> None:
        if self._options.dry_run:
            return
        await self._client.delete(
            PODS, name_of(pod), namespace_of(pod), grace_s=self._options.grace_s, uid=uid_of(pod)
        )

    async def _is_gone(self, pod: Object) -> bool:
        try:
            now = await self._client.get(PODS, name_of(pod), namespace_of(pod))
        except StatusError as error:
            if is_not_found(error):
                return True
            raise
        return uid_of(now) != uid_of(pod)


def why_refused(error: StatusError) -> str:
    """Return what the disruption budget says, or else what the error says."""
    causes = error.details.get("causes") or ()
    return next((str(cause["message"]) for cause in causes if cause.get("message")), error.message)
