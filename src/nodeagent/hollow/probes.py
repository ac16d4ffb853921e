"""Probes and hooks of hollow pods: what would be asked over the wire answers well, at once."""

from __future__ import annotations

from pathlib import Path

from kubeapi.objects import Object
from nodeagent.hostnet import HostNet
from nodeagent.kubelet.probe_actions import ProbeActions, Target
from nodeagent.kubelet.runtime import Runtime


class HollowProbeActions(ProbeActions):
    """Performs handlers without a network."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime, HostNet(Path("hollow")))

    async def probe(self, handler: Object, target: Target, timeout_s: float) -> str:
        return await super().probe(handler, target, timeout_s) if handler.get("exec") else ""

    async def hook(self, handler: Object, target: Target, timeout_s: float) -> str:
        if not (handler.get("exec") or handler.get("sleep")):
            return ""
        return await super().hook(handler, target, timeout_s)
