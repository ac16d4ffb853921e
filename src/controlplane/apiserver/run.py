"""Puts the API server together and runs it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from componentbase import clock, serving_certificate
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.timings import TIMINGS, Timings
from controlplane.apiserver import housekeeping, keys
from controlplane.apiserver.admission.attributes import Plugin
from controlplane.apiserver.admission.metrics import AdmissionMetrics
from controlplane.apiserver.admission.standard import standard_plugins
from controlplane.apiserver.admission.webhook.asking import Asking
from controlplane.apiserver.admission.webhook.client import WebhookClient
from controlplane.apiserver.admission.webhook.dialing import Dialer
from controlplane.apiserver.api_faults import ApiFaults
from controlplane.apiserver.api_registration import ApiRegistration
from controlplane.apiserver.apiextensions.controller import CustomResources
from controlplane.apiserver.audit.event import Auditor
from controlplane.apiserver.audit.log import AuditLog
from controlplane.apiserver.audit.policy import BadPolicy, load
from controlplane.apiserver.authn import User
from controlplane.apiserver.authz import following
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.bootstrap import Bootstrap
from controlplane.apiserver.cacher import Cacher, Follower
from controlplane.apiserver.claims import Claims
from controlplane.apiserver.config import Config
from controlplane.apiserver.control import Control
from controlplane.apiserver.custom_metrics.series import SeriesReadings
from controlplane.apiserver.endpoint_reconciler import EndpointReconciler
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.flowcontrol.admission import FlowControl
from controlplane.apiserver.health import Health
from controlplane.apiserver.kinds import kinds as table_of_kinds
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.kinds.service_allocation import ServiceAllocator
from controlplane.apiserver.kubelet_proxy import KubeletProxy
from controlplane.apiserver.masters import Masters, lease_ttl_s
from controlplane.apiserver.metrics import Metrics
from controlplane.apiserver.rbac_bootstrap import RbacBootstrap
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.request_info import RequestInfo
from controlplane.apiserver.resource_metrics.points import Readings
from controlplane.apiserver.resource_metrics.scraper import Scraper
from controlplane.apiserver.routes.component_statuses import ComponentStatusRoutes
from controlplane.apiserver.routes.custom_metrics import CustomMetricsRoutes
from controlplane.apiserver.routes.discovery import DiscoveryRoutes, version_info
from controlplane.apiserver.routes.dispatch import Dispatcher
from controlplane.apiserver.routes.evictions import Evictions
from controlplane.apiserver.routes.openapi import OpenApiRoutes
from controlplane.apiserver.routes.pods import PodRoutes
from controlplane.apiserver.routes.proxies import ProxyRoutes
from controlplane.apiserver.routes.resource_metrics import ResourceMetricsRoutes
from controlplane.apiserver.routes.resources import ResourceRoutes
from controlplane.apiserver.routes.reviews import ReviewRoutes
from controlplane.apiserver.routes.serviceaccounts import ServiceAccountRoutes, Tokens
from controlplane.apiserver.routes.streams import StreamRoutes
from controlplane.apiserver.server import ApiServer
from controlplane.apiserver.service_claims import ServiceClaims
from controlplane.apiserver.serviceaccount.claims import TokenAuthority
from controlplane.apiserver.store_health import StoreHealth
from controlplane.health import PING, Check
from controlplane.jwt import SigningKey
from controlplane.storage.interface import StorageError, StorageUnavailable, Store
from controlplane.storage.open import open_store
from kubeapi.resources import NODES, PODDISRUPTIONBUDGETS, SERVICES
from kubeapi.status import StatusError

log = logging.getLogger(__name__)

#: How often a store that does not answer is tried, and how often that is told.
_STORE_RETRY_S: Final = 0.5
_STORE_LOG_EVERY_S: Final = 30.0
#: What goes away by itself: other servers were faster, the store is slow.
_PASSING: Final = (409, 503, 504)
#: Upstream's name for what makes what must be there.
_BOOTSTRAP: Final = "poststarthook/start-system-namespaces-controller"


async def serve(config: Config) -> None:
    """Serve until cancelled; raises OSError when the store or the address is not to be had."""
    store = await _patiently_open(config)
    try:
        async with running(config, store) as tasks:
            await tasks.wait()
    finally:
        await store.close()


async def _patiently_open(config: Config) -> Store:
    """Wait for a store that is away; raises OSError for one that is not ours to have."""
    told_at = -_STORE_LOG_EVERY_S
    while True:
        try:
            return await open_store(
                store_path=config.store_path,
                etcd_endpoints=config.etcd_endpoints,
                etcd_ca=config.etcd_ca,
                etcd_certificate=config.etcd_certificate,
                etcd_private_key=config.etcd_private_key,
                etcd_server_name=config.etcd_server_name,
                cluster_uid=config.cluster_uid,
                cluster_name=config.cluster_name,
            )
        except StorageUnavailable as error:
            if not config.etcd_endpoints:  # A file does not come back by itself.
                raise OSError(str(error)) from None
            if clock.monotonic() - told_at >= _STORE_LOG_EVERY_S:
                told_at = clock.monotonic()
                log.warning("waiting for the store: %s", error)
        except StorageError as error:
            raise OSError(str(error)) from None
        await asyncio.sleep(_STORE_RETRY_S)


@asynccontextmanager
async def running(config: Config, store: Store) -> AsyncIterator[Tasks]:
    """Serve on *store* inside the block; yields the tasks that do it. The store stays open."""
    tasks = Tasks()
    kubelets = KubeletProxy(config)
    try:
        parts = _Parts(config, store, kubelets)
        try:
            await parts.start(tasks)
            log.info("serving on %s:%d", config.bind, parts.server.port)
            yield tasks
        finally:
            await parts.close()
    finally:
        await tasks.close()
        await kubelets.close()


def _token_authority(config: Config) -> TokenAuthority | None:
    """Return who issues tokens; None without a key; raises OSError when the key is none."""
    if not config.service_account_key:
        return None
    try:
        key = SigningKey.load(Path(config.service_account_key).read_bytes())
    except ValueError as error:
        raise OSError(f"{config.service_account_key}: {error}") from None
    return TokenAuthority(key, config.service_account_issuer)


def _decide(authorizer: Authorizer, user: User, info: RequestInfo) -> tuple[bool, str]:
    """Answer expressions that ask what somebody may do."""
    decision = authorizer.explain(user, info)
    return decision.allowed, decision.reason


def _url(config: Config) -> str:
    """Return where clients in the cluster find this server."""
    address = config.advertise_address
    return f"https://{f'[{address}]' if ':' in address else address}:{config.port}"


def _release() -> dict[str, str]:
    about = version_info()
    return {
        "major": about["major"],
        "minor": about["minor"],
        "git_version": about["gitVersion"],
        "platform": about["platform"],
    }


def _auditor(
    config: Config, authorizer: Authorizer
) -> tuple[AuditLog, Auditor] | tuple[None, None]:
    """Return the audit log and who writes it; raises OSError for a policy that is none."""
    if not config.audit_policy:
        return None, None
    try:
        policy = load(Path(config.audit_policy).read_text())
    except (BadPolicy, UnicodeError) as error:
        raise OSError(f"{config.audit_policy}: {error}") from None
    log_file = AuditLog(Path(config.audit_log))

    def explain(user: User, request: Request) -> str:
        return authorizer.explain(user, request.info).reason

    return log_file, Auditor(policy, log_file.write, wall=clock.wall, explain=explain)


def _scrapers(
    cacher: Cacher, kubelets: KubeletProxy, timings: Timings
) -> tuple[Scraper[Readings], Scraper[SeriesReadings]]:
    """Return who reads what is used, and who reads what pods say."""
    used, said, now = Readings(timings.metrics_resolution_s), SeriesReadings(), clock.monotonic
    return (
        Scraper("/metrics/resource", used, cacher, kubelets, timings, monotonic=now),
        Scraper("/metrics/pods", said, cacher, kubelets, timings, monotonic=now),
    )


class _Parts:
    """The parts of one server, wired."""

    def __init__(self, config: Config, store: Store, kubelets: KubeletProxy) -> None:
        timings, rng = TIMINGS[config.timings], random.Random()  # uids differ from run to run.
        kinds = ServedKinds(table_of_kinds(config.families()))
        self._config, self._store = config, store
        self._journal = Journal(config.journal, config.name)
        allocator = ServiceAllocator(config.service_cidr, config.node_port_range, rng)
        claims, self._masters = Claims(allocator), Masters(config.advertise_address)
        followers: dict[str, Follower] = {keys.RANGES: claims, keys.MASTER_LEASES: self._masters}
        self._cacher = Cacher(kinds.all(), store, followers)
        self._services = ServiceClaims(
            store, self._cacher, allocator, claims, rng=rng, clock=clock.monotonic
        )
        authority = _token_authority(config)
        authorizer = Authorizer(partial(following.find, self._cacher))
        following.follow(self._cacher, authorizer)
        self._dialer = Dialer(self._cacher, kubelets, rng)
        self._webhooks = WebhookClient(self._cacher, self._dialer.dial)
        self._admission = AdmissionMetrics()
        mounts_tokens = authority is not None
        plugins = self._plugins(kinds, authorizer, rng, mounts_tokens=mounts_tokens)
        self._registry = self._made_registry(kinds, plugins, rng)
        kinds.on_change(self._registry.chain.forget)
        self._custom = CustomResources(self._registry, kinds, self._webhooks.ask, wall=clock.wall)
        self._bootstrap = Bootstrap(self._registry, kinds, config)
        self._rbac = RbacBootstrap(self._registry, kinds)
        self._reconciler = EndpointReconciler(
            store, self._masters, self._bootstrap, lease_ttl_s(timings)
        )
        self._registration = ApiRegistration(self._registry, kinds, self._masters)
        self._store_health = StoreHealth(store, self._journal, clock.monotonic)
        self._started = self._stopping = False
        self._scraper, self._pod_scraper = _scrapers(self._cacher, kubelets, timings)
        flow_control = FlowControl()
        flow_control.follow(self._cacher)
        metrics = Metrics(self._cacher, _release(), self._admission, flow_control)
        faults = ApiFaults()
        tokens = Tokens(self._cacher, authority, wall=clock.wall)
        resources = ResourceRoutes(
            self._registry, rng=rng, wall=clock.wall, monotonic=clock.monotonic
        )
        dispatcher = Dispatcher(
            kinds,
            resources,
            self._pod_routes(kinds, kubelets),
            self._discovery_routes(kinds, metrics, authority),
            accounts=ServiceAccountRoutes(self._registry, authority, wall=clock.wall),
            streams=StreamRoutes(self._registry, kubelets, kinds.of(NODES)),
            authorizer=authorizer,
            reviews=ReviewRoutes(authorizer, tokens),
            components=ComponentStatusRoutes(
                resources, lambda: self._store_health.is_well, clock.wall
            ),
            custom=self._custom,
            proxies=ProxyRoutes(self._registry, kubelets, kinds, rng),
            metrics=ResourceMetricsRoutes(resources, self._scraper, clock.wall),
            custom_metrics=CustomMetricsRoutes(self._registry, kinds, self._pod_scraper),
        )
        log_file, auditor = _auditor(config, authorizer)
        self._audit_log: AuditLog | None = log_file
        self.server = ApiServer(
            dispatcher,
            metrics,
            faults,
            tokens,
            flow_control,
            monotonic=clock.monotonic,
            auditor=auditor,
        )
        self._control = Control(config, faults, self._journal, self.server.faults_changed)

    def _discovery_routes(
        self, kinds: ServedKinds, metrics: Metrics, authority: TokenAuthority | None
    ) -> DiscoveryRoutes:
        config = self._config
        return DiscoveryRoutes(
            kinds,
            metrics,
            address=config.advertise_address,
            port=config.port,
            health=Health(self._checks()),
            openapi=OpenApiRoutes(clock.wall),
            metric_names=self._pod_scraper.readings.metrics,
            fixed={} if authority is None else authority.documents(_url(config)),
        )

    def _pod_routes(self, kinds: ServedKinds, kubelets: KubeletProxy) -> PodRoutes:
        budgets = kinds.of(PODDISRUPTIONBUDGETS)
        evictions = Evictions(self._registry, budgets, self._journal, wall=clock.wall)
        return PodRoutes(self._registry, kubelets, kinds.of(NODES), evictions, wall=clock.wall)

    def _made_registry(
        self, kinds: ServedKinds, plugins: Sequence[Plugin], rng: random.Random
    ) -> Registry:
        return Registry(
            self._cacher,
            {SERVICES: self._services},
            rng=rng,
            wall=clock.wall,
            versions=kinds.versions,
            step_seconds=self._admission.step_seconds,
            plugins=plugins,
        )

    def _plugins(
        self, kinds: ServedKinds, authorizer: Authorizer, rng: random.Random, *, mounts_tokens: bool
    ) -> list[Plugin]:
        decide = partial(_decide, authorizer)
        asking = Asking(self._cacher, self._webhooks, kinds.versions, decide, self._admission)
        return standard_plugins(
            self._cacher,
            authorizer,
            rng,
            asking,
            kinds.all,
            wall=clock.wall,
            mounts_tokens=mounts_tokens,
            toleration_s=TIMINGS[self._config.timings].default_toleration_s,
        )

    def _checks(self) -> dict[str, tuple[Check, ...]]:
        """Return what must be well, by endpoint."""

        def check(name: str, is_well: Callable[[], bool], why: str) -> Check:
            return Check(name, lambda: "" if is_well() else why)

        made = check(_BOOTSTRAP, lambda: self._started, "not finished")
        store = check("etcd", lambda: self._store_health.is_well, "the store does not answer")
        caches = check("informer-sync", lambda: self._cacher.following, "the store is not followed")
        end = check("shutdown", lambda: not self._stopping, "process is shutting down")
        return {
            "healthz": (PING, store, caches, made),
            "livez": (PING, made),
            "readyz": (PING, store, caches, made, end),
        }

    async def start(self, tasks: Tasks) -> None:
        """Read the store, make what must be there, listen; raises OSError."""
        await self._patiently(self._cacher.load)
        tasks.spawn(self._cacher.run(), name="cacher", essential=True)
        await self._patiently(self._cacher.wait_until_fresh)
        await self._patiently(self._services.repair)
        await self._patiently(self._bootstrap.run)
        await self._patiently(self._rbac.run)
        await self._patiently(lambda: self._custom.sync(tasks))
        await self._control.start()
        await self.server.start(self._config)
        await self._reconciler.reconcile()
        self._started = True
        store, masters = self._store, self._masters
        for name, work in (
            ("serving certificate", self._follow_certificate()),
            ("custom resources", self._custom.run(tasks)),
            ("endpoint reconciler", self._reconciler.run()),
            ("api registration", self._registration.run()),
            ("resource metrics", self._scraper.run()),
            ("custom metrics", self._pod_scraper.run()),
            ("store health", self._store_health.run()),
            ("compactor", housekeeping.compact(store, masters)),
            ("event expiry", housekeeping.expire_events(self._registry, masters)),
            ("claim repair", housekeeping.repair_claims(self._services, masters)),
        ):
            tasks.spawn(work, name=name, essential=True)

    async def _follow_certificate(self) -> None:
        config, tls = self._config, self.server.tls
        assert tls is not None
        await serving_certificate.follow(tls, config.certificate, config.private_key)

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step of the start; again and again while the store is away."""
        told = False
        while True:
            try:
                return await step()
            except StorageUnavailable as error:
                why = str(error)
            except StatusError as error:
                if error.code not in _PASSING:
                    raise
                why = error.message
            if not told:
                told = True
                log.warning("waiting for the store: %s", why)
            await asyncio.sleep(_STORE_RETRY_S)

    async def close(self) -> None:
        """End in order: off the lists, then deaf."""
        self._stopping = True
        if self._started:
            await self._reconciler.remove()
        await self.server.close()
        await self._webhooks.close()
        await self._dialer.close()
        await self._control.close()
        self._journal.close()
        if self._audit_log is not None:
            self._audit_log.close()
