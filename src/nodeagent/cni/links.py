"""Where our bridge plugin puts links: the nodeagent's tables, or, as a program, `netlink.sock`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from componentbase.rpc import Client, Params, RpcError
from kubeapi.objects import Object
from nodeagent.cni.errors import CniError, Code
from nodeagent.tables import Tables


class Links(Protocol):
    """The pods' links of one node."""

    async def replace(self, entry: Object) -> None:
        """Let there be this entry."""

    async def delete(self, name: str) -> None:
        """Let there be no link of this name."""

    async def entries(self) -> list[Object]:
        """Return the links that there are."""


class WantedLinks:
    """Links as the nodeagent wants them; `Netlink` brings them to the datapath."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def replace(self, entry: Object) -> None:
        self._tables.replace("link", entry)

    async def delete(self, name: str) -> None:
        self._tables.delete("link", (name,))

    async def entries(self) -> list[Object]:
        rows = self._tables.wanted("link").values()
        return [row for row in rows if row.get("kind", "veth") == "veth"]


class DatapathLinks:
    """Links as the datapath has them, asked over a connection for each call."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def _call(self, method: str, params: Params) -> object:
        try:
            client = await Client.connect(self._socket)
        except OSError as error:
            text = f"the datapath does not answer at {self._socket}: {error.strerror}"
            raise CniError(Code.TRY_AGAIN_LATER, text) from None
        try:
            answer: object = await client.call(method, params)
            return answer
        except RpcError as error:
            raise CniError(Code.PLUGIN_FAILED, f"{method}: {error.message}") from None
        finally:
            await client.close()

    async def replace(self, entry: Object) -> None:
        await self._call("link_replace", {"entries": [entry]})

    async def delete(self, name: str) -> None:
        await self._call("link_delete", {"keys": [name]})

    async def entries(self) -> list[Object]:
        rows = await self._call("link_list", {})
        assert isinstance(rows, list)
        return [row for row in rows if row.get("kind") == "veth"]
