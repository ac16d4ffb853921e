"""The plugin `podwire-bridge`: a pod's link on the node's bridge, its MAC, address and gateway.

Upstream: containernetworking/plugins `bridge`. The link is an entry of the datapath's table
`link`, to which the pod's process connects; its name follows from CNI_CONTAINERID alone, so DEL
finds it without a result. Links that GC would take are swept by the nodeagent, whose table it is: a
network knows no other's attachments. Addresses are an IPAM plugin's, any one that CNI_PATH has. Of
upstream's keys it takes `mtu`, and `mac` and `ips` as capabilities; cni0 is the node's one bridge,
always its pods' gateway, and masquerading is the datapath's (`ipMasq` is not asked).
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Final

import msgspec

from kubeapi.objects import Object
from nodeagent.cni import result as results
from nodeagent.cni import version
from nodeagent.cni.effects import (
    Answer,
    Delegate,
    DeleteLink,
    Effect,
    ListLinks,
    ReplaceLink,
    Steps,
)
from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.invocation import Invocation, typed

BRIDGE: Final = "cni0"
_MTU_DEFAULT: Final = 1450
#: What CHECK wants as ADD left it.
_COMPARED: Final = ("mac", "address", "address6", "mtu")


class _Ipam(msgspec.Struct, frozen=True):
    type: str


class _Capabilities(msgspec.Struct, frozen=True):
    mac: str = ""


class _Args(msgspec.Struct, frozen=True):
    cni: _Capabilities = _Capabilities()


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    ipam: _Ipam
    mtu: int = 0
    runtime_config: _Capabilities = _Capabilities()
    args: _Args = _Args()
    prev_result: Object | None = None


def run(call: Invocation, _node: Path) -> Steps:
    """Do what *call* says."""
    config = typed(call.config, _Config)
    match call.command:
        case "ADD":
            return (yield from _add(call, config))
        case "DEL":
            yield DeleteLink(results.interface_name(call.container_id))
        case "CHECK":
            yield from _check(call, config)
    yield Delegate(config.ipam.type, call.command)
    return None


def _link(call: Invocation) -> Generator[Effect, Answer, Object | None]:
    """Return the entry of the pod's link; None where there is none."""
    answer = yield ListLinks()
    assert isinstance(answer, list)
    name = results.interface_name(call.container_id)
    return next((each for each in answer if each["name"] == name), None)


def _add(call: Invocation, config: _Config) -> Steps:
    if (yield from _link(call)) is not None:
        text = f'"{call.ifname}" already exists in {call.netns}'
        raise CniError(Code.PLUGIN_FAILED, text)
    try:
        result = _result(call, config, (yield Delegate(config.ipam.type, "ADD")))
        mtu = config.mtu or _MTU_DEFAULT
        attachment = results.attachment_of(result, call.container_id, call.netns, mtu)
        yield ReplaceLink(attachment.link())
    except CniError:
        yield from _give_back(config.ipam.type)
        raise
    return result


def _give_back(ipam: str) -> Generator[Effect, Answer, None]:
    """Undo IPAM's ADD (SPEC.md §4); why ADD failed is what matters."""
    try:
        yield Delegate(ipam, "DEL")
    except CniError:
        pass


def _result(call: Invocation, config: _Config, given: Answer) -> Object:
    """Return the result of ADD, made of IPAM's."""
    found = results.addresses_of(given) if isinstance(given, dict) else []
    if not found:
        raise CniError(Code.PLUGIN_FAILED, "IPAM plugin returned missing IP config")
    assert isinstance(given, dict)
    ips = []
    for address, gateway in found:
        # Upstream's calcGateways: the bridge has the subnet's first address.
        entry = results.ip_entry(address, gateway or address.network[1], call.version)
        ips.append({**entry, "interface": 2})
    first = min((address for address, _ in found), key=lambda each: each.version)
    asked = config.runtime_config.mac or config.args.cni.mac or call.argument("MAC")
    inside: Object = {
        "name": call.ifname,
        "mac": results.canonical_mac(asked) if asked else results.mac_of(first.ip),
        "sandbox": call.netns,
    }
    if version.parse(call.version) >= version.FIRST_WITH_GC:
        inside["mtu"] = config.mtu or _MTU_DEFAULT
    outside = [{"name": BRIDGE}, {"name": results.interface_name(call.container_id)}]
    rest = results.members(given, ("routes", "dns"))
    return {"cniVersion": call.version, "interfaces": [*outside, inside], "ips": ips, **rest}


def _check(call: Invocation, config: _Config) -> Steps:
    """Compare the link with what ADD said: its bridge, MAC, MTU, addresses, and their gateway."""
    if config.prev_result is None:
        raise CniError(Code.INVALID_NETWORK_CONFIG, "required prevResult missing")
    mtu = config.mtu or _MTU_DEFAULT
    attachment = results.attachment_of(config.prev_result, call.container_id, call.netns, mtu)
    name = attachment.interface
    outside = results.outside_of(config.prev_result, call.netns)
    if outside and not {BRIDGE, name} <= set(outside):
        text = f"the result names {', '.join(outside)}, and not {BRIDGE} and {name}"
        raise CniError(Code.PLUGIN_FAILED, text)
    link = yield from _link(call)
    if link is None:
        raise CniError(Code.PLUGIN_FAILED, f"interface {name} is missing on {BRIDGE}")
    wanted = attachment.link()
    for field in _COMPARED:
        found, expected = link.get(field, ""), wanted.get(field, "")
        if found != expected:
            text = f"interface {call.ifname} has {field} {found or '-'}, expected {expected or '-'}"
            raise CniError(Code.PLUGIN_FAILED, text)
    for address, gateway in zip(attachment.addresses, attachment.gateways, strict=False):
        if gateway not in address.network:
            text = f"expected route by {gateway} not found: {address} does not reach it"
            raise CniError(Code.PLUGIN_FAILED, text)
    return None
