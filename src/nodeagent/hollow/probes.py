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

    async def perform(self, handler: Object, target: Target, timeout_s: float) -> None:
        if handler.get("exec") or handler.get("sleep"):
            await super().perform(handler, target, timeout_s)
