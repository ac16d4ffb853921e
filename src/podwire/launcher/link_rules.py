"""Rules about links: what is wrong with the way from one host to another, and who enforces it.

Links between nodes are the sending node's datapath's, those of pods their node's datapath's, all
others the fabric's. A pod's rule is for one uid: another pod of the same name has none.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from netdev.impairment import Impairment
from nodeagent.cni.result import interface_name
from nodeagent.datapath.tables import FROM_POD, TO_POD
from podwire.cluster import hosts
from podwire.cluster.layout import Cluster, UsageError
from podwire.cluster.plan import FABRIC

#: Fields of an impairment that people write otherwise.
_OPTIONS: Final = {
    name: name.replace("_octets", "-bytes").replace("_", "-")
    for name in Impairment.__struct_encode_fields__
    if "_" in name
}


class Rule(Impairment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with the way from one host to another."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    uid: str = ""  # A pod's, where one end is a pod.

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.target

    @property
    def subject(self) -> str:
        return f"{self.source} → {self.target}"

    @property
    def pod(self) -> str:
        """The end that is a pod, or ""."""
        return next((name for name in self.key if hosts.names_pods(name)), "")

    @property
    def told(self) -> str:
        """The process that enforces it."""
        if self.pod:
            node = self.target if self.pod == self.source else self.source
            return f"{node}/datapath"
        return f"{self.source}/datapath" if hosts.is_underlay(*self.key) else FABRIC

    def impairment(self) -> dict[str, Any]:
        """Return what is wrong, without where."""
        entry = msgspec.to_builtins(self)
        return {name: entry[name] for name in Impairment.__struct_encode_fields__}


def link_key(rule: Rule) -> tuple[str, str]:
    """Return the key of a pod's rule in the netlink table `link_impairment`."""
    return interface_name(rule.uid), TO_POD if rule.pod == rule.target else FROM_POD


def parse_rules(cluster: Cluster, entries: object) -> list[Rule]:
    """Return the rules that *entries* are; raises UsageError when one is impossible."""
    try:
        rules = msgspec.convert(entries, list[Rule])
    except msgspec.ValidationError as error:
        raise UsageError(in_words(error)) from None
    for rule in rules:
        hosts.check_link(cluster, rule.source, rule.target)
    return rules


def check_impairment(wanted: dict[str, Any]) -> None:
    """Raise UsageError when a wire cannot be so."""
    try:
        msgspec.convert(wanted, Impairment)
    except msgspec.ValidationError as error:
        raise UsageError(in_words(error)) from None


def in_words(error: msgspec.MsgspecError) -> str:
    """Return what is wrong, without msgspec's path and with the names that people type."""
    text = str(error).partition(" - at `")[0]
    text = text.replace("slot_min_s", "slot")
    for name in ("delay_s", "jitter_s", "latency_s", "slot_max_s", "rate_bit_s"):
        text = text.replace(name, name.removesuffix("_s").removesuffix("_bit"))
    for name in _OPTIONS:
        text = text.replace(name, _OPTIONS[name])
    return text
