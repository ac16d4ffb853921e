"""The plugin `podwire-ipam`: addresses of ranges, host-local in configuration, files and words.

Upstream: containernetworking/plugins `host-local`. What it has beyond the version that Debian
ships: GC and STATUS. What it lacks: `resolvConf` (the kubelet writes resolv.conf). STATUS does not
tell of exhausted ranges: the node would not be Ready then, and its pods evicted.
"""

from __future__ import annotations

from collections.abc import Container
from ipaddress import ip_address
from pathlib import Path

import msgspec

from kubeapi.objects import Object
from nodeagent.cni.address_range import Range, RangeConfig, next_free, parse_sets
from nodeagent.cni.address_store import AddressStore, Busy, is_owned_by
from nodeagent.cni.effects import Pause, Steps
from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.invocation import Invocation, typed
from nodeagent.cni.result import Address, Interface, ip_entry

#: Below a node's directory: a network's name is the folder.
DATA_DIRECTORY = Path("cni/networks")


class _Attached(msgspec.Struct, frozen=True):
    container_id: str = msgspec.field(name="containerID")
    ifname: str


class _Ipam(msgspec.Struct, frozen=True, rename="camel"):
    ranges: list[list[RangeConfig]] = []
    subnet: str = ""
    range_start: str = ""
    range_end: str = ""
    gateway: str = ""
    routes: list[Object] = []
    data_dir: str = ""

    def sets(self) -> list[list[RangeConfig]]:
        """Return `ranges`, behind the one that may stand in the configuration itself."""
        if not self.subnet:
            return self.ranges
        own = RangeConfig(
            subnet=self.subnet,
            range_start=self.range_start,
            range_end=self.range_end,
            gateway=self.gateway,
        )
        return [[own], *self.ranges]


class _Capabilities(msgspec.Struct, frozen=True, rename="camel"):
    ips: list[str] = []
    ip_ranges: list[list[RangeConfig]] = []


class _Args(msgspec.Struct, frozen=True):
    cni: _Capabilities = _Capabilities()


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    ipam: _Ipam
    runtime_config: _Capabilities = _Capabilities()
    args: _Args = _Args()
    attachments: list[_Attached] | None = msgspec.field(
        default=None, name="cni.dev/valid-attachments"
    )


def run(call: Invocation, node: Path) -> Steps:
    """Do what *call* says; the addresses are kept below *node* unless `dataDir` says where."""
    config = typed(call.config, _Config)
    ipam = config.ipam
    root = Path(ipam.data_dir) if ipam.data_dir else node / DATA_DIRECTORY
    store = AddressStore(root / call.network)
    if call.command == "GC" and config.attachments is None:
        # Without a list everything would go.
        raise CniError(Code.INVALID_NETWORK_CONFIG, "cni.dev/valid-attachments is missing")
    sets = parse_sets([*config.runtime_config.ip_ranges, *ipam.sets()])
    while True:
        try:
            with store.locked():
                return _perform(call, config, sets, store)
        except Busy:
            yield Pause()


def _perform(
    call: Invocation, config: _Config, sets: list[list[Range]], store: AddressStore
) -> Object | None:
    attached = (call.container_id, call.ifname)
    match call.command:
        case "ADD":
            given = _allocate(call, config, sets, store)
            return _result(call, config.ipam, given)
        case "DEL":
            store.release(*attached)
        case "CHECK":
            if not store.held(*attached):
                text = f"host-local: Failed to find address added by container {call.container_id}"
                raise CniError(Code.PLUGIN_FAILED, text)
        case "GC":
            valid = config.attachments or []
            store.retain([(each.container_id, each.ifname) for each in valid])
    return None


def _result(call: Invocation, ipam: _Ipam, given: list[tuple[Interface, Address]]) -> Object:
    ips = [ip_entry(address, gateway, call.version) for address, gateway in given]
    result: Object = {"cniVersion": call.version, "ips": ips}
    if ipam.routes:
        result["routes"] = ipam.routes
    return {**result, "dns": {}}


def _requested(call: Invocation, config: _Config) -> list[Address]:
    """Return the addresses that the runtime asks for, by any of the three conventions."""
    texts = [*config.runtime_config.ips, *config.args.cni.ips]
    texts += filter(None, [call.argument("IP")])
    try:
        return [ip_address(text.partition("/")[0]) for text in texts]
    except ValueError as error:
        raise CniError(Code.INVALID_NETWORK_CONFIG, f"invalid requested IP: {error}") from None


def _allocate(
    call: Invocation, config: _Config, sets: list[list[Range]], store: AddressStore
) -> list[tuple[Interface, Address]]:
    """Take an address of each set, or none at all."""
    requested = _requested(call, config)
    taken = store.owners()
    attached = (call.container_id, call.ifname)
    held = next((a for a, owner in taken.items() if is_owned_by(owner, *attached)), None)
    if held is not None:
        text = f"{held} has been allocated to {call.container_id}"
        raise CniError(Code.PLUGIN_FAILED, f"{text}, duplicate allocation is not allowed")
    given: list[tuple[Interface, Address]] = []
    try:
        for number, ranges in enumerate(sets):
            wanted = next((a for a in requested if any(a in each for each in ranges)), None)
            last = store.last_reserved(number) if wanted is None else None
            chosen, address = _choose(number, ranges, wanted, taken, last)
            store.take(address, *attached)
            store.note_last_reserved(number, address)
            given.append((chosen.interface(address), chosen.gateway))
            requested = [each for each in requested if each != address]
        if requested:
            texts = " ".join(map(str, requested))
            raise CniError(Code.PLUGIN_FAILED, f"failed to allocate all requested IPs: {texts}")
    except (CniError, OSError) as error:
        store.release(*attached)
        if isinstance(error, OSError):
            raise CniError(Code.IO_FAILURE, f"cannot store an address: {error}") from None
        raise
    return given


def _choose(
    number: int,
    ranges: list[Range],
    wanted: Address | None,
    taken: Container[Address],
    last: Address | None,
) -> tuple[Range, Address]:
    if wanted is None:
        try:
            return next_free(ranges, taken, last)
        except CniError as error:
            raise error.within(f"failed to allocate for range {number}") from None
    if wanted in taken:
        names = ",".join(map(str, ranges))
        text = f"requested IP address {wanted} is not available in range set {names}"
        raise CniError(Code.PLUGIN_FAILED, f"failed to allocate for range {number}: {text}")
    return next(each for each in ranges if wanted in each), wanted
