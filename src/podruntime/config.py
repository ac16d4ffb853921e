"""What the launcher tells a podruntime process."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file of one node's podruntime."""

    node_name: str
    directory: str
    log_file: str
    image_bandwidth_bit_s: float = 0.0  # 0: a pull takes no time.

    @property
    def cri_socket(self) -> Path:
        """Return where the kubelet finds this runtime."""
        return Path(self.directory) / "cri.sock"

    @property
    def pods(self) -> Path:
        """Return the folder that holds one folder per sandbox."""
        return Path(self.directory) / "pods"

    @property
    def warm_up(self) -> Path:
        """Return the folder of pods that the zygote plays to itself before it serves."""
        return Path(self.directory) / "warm-up"
