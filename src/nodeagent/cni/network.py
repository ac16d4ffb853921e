"""The runtime's side of CNI: ADD, DEL, CHECK, GC and STATUS of a whole network (SPEC.md §3).

Upstream: libcni/api.go and containerd's go-cni. Beyond libcni: an ADD that failed or was killed is
followed by a DEL that goes through all plugins, whatever each says, so that the first has its
address back though a later one is broken. Here, too, a pod's link comes to be wanted, as the
result of ADD says, whichever plugin made it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from kubeapi.objects import Object
from nodeagent.cni import chain, conflist, programs, result, version
from nodeagent.cni.cache import Entry, ResultCache
from nodeagent.cni.chain import Wanted
from nodeagent.cni.conflist import NetworkList
from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.execute import Executor
from nodeagent.cni.invocation import Command, Invocation
from nodeagent.cni.links import WantedLinks
from nodeagent.cni.plugins import Plugins
from nodeagent.cni.result import Address, Attachment
from nodeagent.tables import Tables

log = logging.getLogger(__name__)

IFNAME: Final = "eth0"
#: Where distributions put plugins.
DEFAULT_PATH: Final = "/opt/cni/bin:/usr/lib/cni"
NOT_INITIALIZED: Final = "cni plugin not initialized"
#: How long an ADD waits until it is known whom the node's addresses belong to.
_START_WAIT_S: Final = 5.0


class _Gate:
    """GC excludes ADD and DEL, which do not exclude each other (SPEC.md §3, Lifecycle)."""

    def __init__(self) -> None:
        self._inside = 0
        self._changed = asyncio.Condition()
        self._closed = False

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            async with self._changed:
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._closed)
            self._closed = True
            await self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            self._closed = False
            async with self._changed:
                self._changed.notify_all()


class CniNetwork:
    """The network of one node."""

    def __init__(
        self,
        node: Path,
        tables: Tables,
        *,
        mtu: int,
        path: str = DEFAULT_PATH,
        executor: Executor | None = None,
    ) -> None:
        """*mtu* is that of interfaces whose result does not say."""
        self._node, self._tables, self._mtu = node, tables, mtu
        self._path = f"{programs.install(node)}:{path}"
        self._plugins = Plugins(node, WantedLinks(tables), executor or Executor())
        self._cache = ResultCache(node / "cni" / "results")
        self._gate = _Gate()
        self._seen: conflist.Signature | None = None
        self._list: NetworkList | None = None
        self._version = ""
        self._error = NOT_INITIALIZED
        self._owned = asyncio.Event()
        for entry in self._cache.entries():
            if entry.result is not None:
                self._want_link(entry, entry.result)

    @property
    def configurations(self) -> Path:
        """Return where the network's configuration is looked for."""
        return self._node / "cni" / "net.d"

    def attachments(self) -> list[str]:
        """Return the containers that may have an interface."""
        return [entry.container_id for entry in self._cache.entries()]

    def _want_link(self, entry: Entry, made: Object) -> Attachment:
        attachment = result.attachment_of(made, entry.container_id, entry.netns, self._mtu)
        link = attachment.link()
        if self._tables.wanted("link").get((attachment.interface,)) != link:
            self._tables.replace("link", link)
        return attachment

    async def refresh(self) -> None:
        """Read the configuration anew if its directory changed."""
        seen = conflist.signature(self.configurations)
        if seen == self._seen:
            return
        self._seen, self._list = seen, None
        try:
            found = conflist.load(self.configurations)
            if found is not None:
                self._version = await self._choose_version(found)
        except CniError as error:
            self._error = f"{NOT_INITIALIZED}: failed to load cni config: {error}"
            log.warning("%s", self._error)
            return
        self._list = found
        self._error = "" if found is not None else NOT_INITIALIZED
        if found is not None:
            log.info("CNI network %s, version %s", found.name, self._version)

    async def _choose_version(self, found: NetworkList) -> str:
        if len(found.versions) == 1:
            return found.versions[0]
        spoken = []
        for plugin in found.types():
            try:
                spoken.append(await self._plugins.versions(plugin, self._path))
            except CniError as error:
                log.warning("CNI plugin %s: VERSION: %s", plugin, error)  # ADD will say more.
        return version.choose(found.versions, spoken)

    async def status(self) -> str:
        """Return why pods cannot be attached now, "" when they can."""
        await self.refresh()
        network = self._list
        if network is None or version.parse(self._version) < version.FIRST_WITH_GC:
            return self._error
        for plugin in network.plugins:
            config = chain.for_status(plugin, network.name, self._version)
            try:
                await self._call(plugin, Invocation(command="STATUS", config=config))
            except CniError as error:
                return str(error)
        return ""

    async def _call(self, plugin: Object, call: Invocation) -> Object | None:
        return await self._plugins.call(plugin["type"], replace(call, path=self._path))

    async def _step(
        self, entry: Entry, plugin: Object, command: Command, previous: Object | None
    ) -> Object | None:
        """Call one plugin about one attachment; an error says which plugin, in libcni's words."""
        config = chain.for_attachment(
            plugin, entry.network, entry.version, entry.capabilities, previous
        )
        call = Invocation(
            command=command,
            config=config,
            container_id=entry.container_id,
            netns=entry.netns,
            ifname=entry.ifname,
            args=";".join(f"{key}={text}" for key, text in entry.arguments),
        )
        try:
            return await self._call(plugin, call)
        except CniError as error:
            what = {"ADD": "add", "DEL": "delete", "CHECK": "check"}[command]
            raise error.within(f'plugin type="{plugin["type"]}" failed ({what})') from None

    async def add(self, wanted: Wanted) -> Attachment:
        """ADD: attach a pod; one that is attached already stays as it is. Raises CniError."""
        try:
            async with asyncio.timeout(_START_WAIT_S):
                await self._owned.wait()
        except TimeoutError:
            text = "it is not known yet whom the node's addresses belong to"
            raise CniError(Code.TRY_AGAIN_LATER, text) from None
        async with self._gate.shared():
            return await self._add(wanted)

    async def _add(self, wanted: Wanted) -> Attachment:
        await self.refresh()
        known = self._cache.get(wanted.container_id)
        if known is not None and known.result is not None:
            return self._want_link(known, known.result)
        if known is not None:
            await self._give_back(known)
        entry = self._entry(wanted)
        self._cache.put(entry)
        try:
            made = await self._add_chain(entry)
            attachment = self._want_link(entry, made)
        except CniError:
            await self._give_back(entry)
            raise
        self._cache.put(entry.made(made))
        return attachment

    def _entry(self, wanted: Wanted) -> Entry:
        network = self._list
        if network is None:
            raise CniError(Code.PLUGIN_NOT_AVAILABLE, self._error)
        return Entry(
            network=network.name,
            version=self._version,
            plugins=network.plugins,
            disable_check=network.disable_check,
            container_id=wanted.container_id,
            ifname=IFNAME,
            netns=str(self._node / "cni" / "netns" / wanted.container_id),
            arguments=wanted.arguments(),
            capabilities=wanted.capabilities,
        )

    async def _add_chain(self, entry: Entry) -> Object:
        previous: Object | None = None
        for plugin in entry.plugins:
            previous = await self._step(entry, plugin, "ADD", previous)
            if previous is None:
                text = f'plugin type="{plugin["type"]}" failed (add): it returned no result'
                raise CniError(Code.DECODING_FAILURE, text)
            result.verify(previous, entry.version)
        assert previous is not None
        return previous

    async def delete(self, container_id: str) -> None:
        """DEL: nothing happens when there is no attachment. Raises CniError."""
        async with self._gate.shared():
            entry = self._cache.get(container_id)
            if entry is None:
                return
            if entry.result is None:
                await self._give_back(entry)
            else:
                for plugin in reversed(entry.plugins):
                    await self._step(entry, plugin, "DEL", entry.result)
            self._forget(entry)

    async def _give_back(self, entry: Entry) -> None:
        """Take back what an attachment may have, as far as plugins let us."""
        for plugin in reversed(entry.plugins):
            try:
                await self._step(entry, plugin, "DEL", entry.result)
            except CniError as error:
                log.warning("%s: %s", entry.container_id, error)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._tables.delete("link", (result.interface_name(entry.container_id),))
        self._cache.remove(entry)

    async def check(self, container_id: str) -> None:
        """CHECK: raise CniError unless the attachment is as ADD made it."""
        entry = self._cache.get(container_id)
        if entry is None or entry.result is None:
            raise CniError(Code.UNKNOWN_CONTAINER, f"no attachment of {container_id}")
        if entry.disable_check:
            return
        for plugin in entry.plugins:
            await self._step(entry, plugin, "CHECK", entry.result)

    async def adopt(self, wanted: Wanted, addresses: Sequence[Address]) -> None:
        """See to it that a pod that runs with *addresses* is attached with them."""
        try:
            await self.check(wanted.container_id)
            return
        except CniError as error:
            why = error
        if self._list is None or not self._list.has("ips"):
            log.warning("pod %s/%s: %s", wanted.namespace, wanted.name, why)
            return
        log.info("pod %s/%s is attached again: %s", wanted.namespace, wanted.name, why)
        ips = [str(address) for address in addresses]
        again = replace(wanted, capabilities={**wanted.capabilities, "ips": ips})
        try:
            await self._give_back(self._cache.get(wanted.container_id) or self._entry(again))
            await self._add(again)
        except CniError as error:
            log.warning("pod %s/%s: %s", wanted.namespace, wanted.name, error)

    async def take_over(
        self, running: Iterable[tuple[Wanted, Sequence[Address]]], live: Iterable[str]
    ) -> None:
        """Begin: keep what running pods use, take back what no pod in *live* has, let ADDs go on.

        This is where GC is called. An attachment whose pod is gone gets its DEL first.
        """
        async with self._gate.alone():
            await self.refresh()
            for wanted, addresses in running:
                await self.adopt(wanted, addresses)
            living = dict.fromkeys(live)
            stale = [each for each in self._cache.entries() if each.container_id not in living]
            for entry in stale:
                await self._give_back(entry)
            if stale:
                log.info("attachments of %s pods that are gone taken back", len(stale))
            await self._collect()
        self._tables.claim("link")
        self._owned.set()

    async def _collect(self) -> None:
        """GC: every plugin is asked, whatever another says."""
        network = self._list
        if network is None or network.disable_gc:
            return
        if version.parse(self._version) < version.FIRST_WITH_GC:
            return
        entries = [each for each in self._cache.entries() if each.network == network.name]
        valid = [(each.container_id, each.ifname) for each in entries]
        for plugin in network.plugins:
            config = chain.for_gc(plugin, network.name, self._version, valid)
            try:
                await self._call(plugin, Invocation(command="GC", config=config))
            except CniError as error:
                log.warning('plugin type="%s" failed (gc): %s', plugin["type"], error)
