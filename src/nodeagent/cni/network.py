"""The runtime's side of CNI: ADD, DEL, CHECK, GC and STATUS of a whole network (SPEC.md §3).

Upstream: libcni/api.go and containerd's go-cni. Beyond libcni: an ADD that failed or was killed is
followed by a DEL that goes through all plugins, whatever each says, so that the first has its
address back though a later one is broken. Here, too, a pod's link comes to be wanted, as the
result of ADD says, whichever plugin made it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from kubeapi.objects import Object
from nodeagent.cni import chain, conflist, programs, result, version
from nodeagent.cni.cache import Entry, ResultCache
from nodeagent.cni.chain import Wanted
from nodeagent.cni.conflist import NetworkList
from nodeagent.cni.errors import NOT_INITIALIZED, CniError, Code, PluginNotFoundError
from nodeagent.cni.execute import Executor
from nodeagent.cni.gate import Gate
from nodeagent.cni.invocation import Command, Invocation
from nodeagent.cni.links import WantedLinks
from nodeagent.cni.plugins import Plugins
from nodeagent.cni.result import Address, Attachment
from nodeagent.tables import Tables

log = logging.getLogger(__name__)

IFNAME: Final = "eth0"
#: How long an ADD waits until it is known whom the node's addresses belong to.
_START_WAIT_S: Final = 5.0
#: libcni's words for what failed.
_VERBS: Final = {"ADD": "add", "DEL": "delete", "CHECK": "check"}


class CniNetwork:
    """The network of one node."""

    def __init__(
        self,
        node: Path,
        tables: Tables,
        *,
        mtu: int,
        path: str,
        executor: Executor | None = None,
    ) -> None:
        """*path* is CNI_PATH besides our own; *mtu* is that of interfaces whose result has none."""
        self._node, self._tables, self._mtu = node, tables, mtu
        self._path = f"{programs.install(node)}:{path}"
        self._plugins = Plugins(node, WantedLinks(tables), executor or Executor())
        self._cache = ResultCache(node / "cni" / "results")
        self._gate = Gate()
        self._reading = asyncio.Lock()
        self._seen: conflist.Signature | None = None
        self._list: NetworkList | None = None
        self._version = ""
        self._load_error = NOT_INITIALIZED
        self._status_error = ""
        self._owned = asyncio.Event()
        for entry in self._cache.entries():
            self._want_again(entry)

    def _want_again(self, entry: Entry) -> None:
        """Want the link of before; who has none of sense is attached anew when it is needed."""
        if entry.attached is None:
            return
        try:
            self._want_link(entry, entry.attached)
        except CniError as error:
            log.warning("the result for %s: %s", entry.container_id, error)
            self._cache.put(replace(entry, result=None))

    def _want_link(self, entry: Entry, made: Object) -> Attachment:
        attachment = result.attachment_of(made, entry.container_id, entry.netns, self._mtu)
        link = attachment.link()
        if self._tables.wanted("link").get((attachment.interface,)) != link:
            self._tables.replace("link", link)
        return attachment

    @property
    def configurations(self) -> Path:
        """Return where the network's configuration is looked for."""
        return self._node / "cni" / "net.d"

    @property
    def error(self) -> str:
        """Return why pods cannot be attached, "" when they can."""
        return self._load_error or self._status_error

    async def refresh(self) -> bool:
        """Read the configuration anew if its directory changed; tell whether it did."""
        async with self._reading:
            seen = conflist.signature(self.configurations)
            if seen == self._seen:
                return False
            self._seen = seen
            await self._load()
            return True

    async def _load(self) -> None:
        self._list, self._status_error = None, ""
        try:
            found = conflist.load(self.configurations)
            if found is not None:
                self._version = await self._choose_version(found)
        except CniError as error:
            self._load_error = f"{NOT_INITIALIZED}: failed to load cni config: {error}"
            log.warning("%s", self._load_error)
            return
        self._list = found
        self._load_error = "" if found is not None else NOT_INITIALIZED
        if found is not None:
            log.info("CNI network %s, version %s", found.name, self._version)

    async def _choose_version(self, found: NetworkList) -> str:
        """Return the newest version that all plugins speak; ask only where there is a choice."""
        if len(found.versions) == 1:
            return found.versions[0]
        spoken = []
        for plugin in found.types():
            try:
                spoken.append(await self._plugins.versions(plugin, self._path))
            except CniError as error:
                log.warning("CNI plugin %s: VERSION: %s", plugin, error)  # ADD will say more.
                self._seen = None  # It may be installed later.
        return version.choose(found.versions, spoken)

    async def look(self) -> str:
        """Ask the network's STATUS; return `error` as it is now."""
        await self.refresh()
        network = self._list
        if network is None or version.parse(self._version) < version.FIRST_WITH_GC:
            return self.error
        self._status_error = await self._ask_status(network)
        return self.error

    async def _ask_status(self, network: NetworkList) -> str:
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
            what = f'plugin type="{plugin["type"]}" failed ({_VERBS[command]})'
            raise error.within(what) from None

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
        if known is not None and known.attached is not None:
            return self._want_link(known, known.attached)
        if known is not None:
            await self._give_back(known)
        entry = self._entry(wanted)
        try:
            self._cache.put(entry)
        except OSError as error:
            text = f"cannot note the attachment: {error}"
            raise CniError(Code.IO_FAILURE, text) from None
        try:
            made = await self._add_chain(entry)
            attachment = self._want_link(entry, made)
        except CniError:
            await self._give_back_if_possible(entry)
            raise
        self._cache.put(entry.made(made))
        return attachment

    def _entry(self, wanted: Wanted) -> Entry:
        network = self._list
        if network is None:
            raise CniError(Code.PLUGIN_NOT_AVAILABLE, self._load_error)
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
                return
            self._cache.put(entry.ending())
            for plugin in reversed(entry.plugins):
                try:
                    await self._step(entry, plugin, "DEL", entry.result)
                except CniError as error:
                    if error.code != Code.UNKNOWN_CONTAINER:
                        raise
            self._forget(entry)

    async def _give_back(self, entry: Entry) -> None:
        """Let all plugins take back what they may have given; raises the first one's CniError.

        A plugin that is not there cannot have given anything.
        """
        failure: CniError | None = None
        self._cache.put(entry.ending())
        for plugin in reversed(entry.plugins):
            try:
                await self._step(entry, plugin, "DEL", entry.result)
            except PluginNotFoundError as error:
                log.info("%s: %s", entry.container_id, error)
            except CniError as error:
                if error.code != Code.UNKNOWN_CONTAINER:
                    failure = failure or error
        if failure is not None:
            raise failure
        self._forget(entry)

    async def _give_back_if_possible(self, entry: Entry) -> bool:
        """Do so; what is left, and known to be left, is tried again later."""
        try:
            await self._give_back(entry)
        except CniError as error:
            log.warning("%s: %s", entry.container_id, error)
            return False
        return True

    def _forget(self, entry: Entry) -> None:
        self._tables.delete("link", (result.interface_name(entry.container_id),))
        self._cache.remove(entry)

    async def check(self, container_id: str) -> None:
        """CHECK: raise CniError unless the attachment is as ADD made it."""
        entry = self._cache.get(container_id)
        if entry is None or entry.attached is None:
            raise CniError(Code.UNKNOWN_CONTAINER, f"no attachment of {container_id}")
        if entry.disable_check:
            return
        for plugin in entry.plugins:
            await self._step(entry, plugin, "CHECK", entry.attached)

    async def take_over(self, running: Iterable[tuple[Wanted, Sequence[Address]]]) -> None:
        """Begin: see to it that what runs is attached with the addresses that it has."""
        async with self._gate.alone():
            await self.refresh()
            for wanted, addresses in running:
                await self._adopt(wanted, addresses)

    async def _adopt(self, wanted: Wanted, addresses: Sequence[Address]) -> None:
        entry = self._cache.get(wanted.container_id)
        may_choose = self._list is not None and self._list.has("ips")
        if entry is not None and entry.attached is not None and not may_choose:
            return  # Whatever CHECK says, ADD would give another address.
        try:
            await self.check(wanted.container_id)
            return
        except CniError as error:
            log.warning("pod %s/%s: %s", wanted.namespace, wanted.name, error)
        if not may_choose:
            return
        ips = [str(address) for address in addresses]
        again = replace(wanted, capabilities={**wanted.capabilities, "ips": ips})
        try:
            await self._give_back(entry or self._entry(again))
            await self._add(again)
        except CniError as error:
            log.warning("pod %s/%s: %s", wanted.namespace, wanted.name, error)
            return
        log.info("pod %s/%s is attached again", wanted.namespace, wanted.name)

    async def collect(self, live: Iterable[str]) -> bool:
        """Take back what no pod in *live* has, then let ADDs go on; False when some is left.

        This is where GC is called. An attachment whose pod is gone gets its DEL first.
        """
        async with self._gate.alone():
            living = dict.fromkeys(live)
            stale = [each for each in self._cache.entries() if each.container_id not in living]
            left = [each for each in stale if not await self._give_back_if_possible(each)]
            if stale:
                log.info("network of %s pods that are gone taken back", len(stale) - len(left))
            await self._ask_gc()
        self._tables.claim("link")
        self._owned.set()
        return not left

    async def _ask_gc(self) -> None:
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
