"""Looking for neighbours, by ARP or by neighbour discovery (Linux neigh_timer_handler)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodeagent.datapath import arp, ndisc, reject
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.neighbours import Probe
from nodeagent.datapath.packet import IPV6_FROM

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node


def ask(node: Node, probe: Probe, now: float) -> None:
    """Ask who has an address: everybody, or the one that is believed to."""
    source = node.source_on(probe.device, probe.address)
    if source is None:
        return  # A device without addresses has nobody to ask for.
    if probe.address < IPV6_FROM:
        arp.ask(node, probe, source, now)
    else:
        ndisc.ask(node, probe, source, now)


def handle_deadline(node: Node, now: float) -> None:
    """Repeat questions, and give up on addresses that nobody has."""
    if now < node.neighbours.deadline():
        return
    probes, failed = node.neighbours.due(now)
    for probe in probes:
        ask(node, probe, now)
    for packet in failed:
        node.drops[DropReason.NO_NEIGHBOUR] += 1
        reject.tell(node, packet, reject.Refusal.NO_NEIGHBOUR, now)
