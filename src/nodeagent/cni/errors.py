"""CNI's errors: a number, a message, details (SPEC.md §5, Error)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from kubeapi.objects import Object

#: What a node without a network says (containerd's go-cni).
NOT_INITIALIZED: Final = "cni plugin not initialized"


class Code(IntEnum):
    """Well-known numbers; 100 and more are a plugin's own."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    DECODING_FAILURE = 6
    INVALID_NETWORK_CONFIG = 7
    TRY_AGAIN_LATER = 11
    PLUGIN_NOT_AVAILABLE = 50
    LIMITED_CONNECTIVITY = 51
    PLUGIN_FAILED = 100  # Ours: the operation itself did not succeed.
    INTERNAL = 999  # libcni's, where no plugin gave a number.


class CniError(Exception):
    """An operation failed; the text is what the pod's event shows."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(f"{message}; {details}" if details else message)
        self.code, self.message, self.details = code, message, details

    def document(self, version: str) -> Object:
        """Return what a plugin prints."""
        found: Object = {"cniVersion": version, "code": int(self.code), "msg": self.message}
        return {**found, "details": self.details} if self.details else found

    def within(self, what: str) -> CniError:
        """Return this error as the failure of *what*."""
        return type(self)(self.code, f"{what}: {self.message}", self.details)


class PluginNotFoundError(CniError):
    """No program of this name is in CNI_PATH."""
