"""The configuration file of the scheduler (see docs/internals/contracts.md §1)."""

from __future__ import annotations

import msgspec

from componentbase.timings import TimingsName
from controlplane.secure_serving import Settings


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log_file: str
    name: str
    kubeconfig: str
    timings: TimingsName
    journal: str = ""
    control_socket: str = ""
    serving: Settings | None = None  # of health and metrics; None: nowhere
    scheduler_config: str = ""  # A KubeSchedulerConfiguration's text; empty: the defaults.
