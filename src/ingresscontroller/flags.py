"""The program's flags, under upstream's names; those that change nothing here are taken, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


class FlagError(Exception):
    """A flag that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the program was told."""

    publish_service: str = ""
    default_ssl_certificate: str = ""
    default_backend_service: str = ""
    controller_class: str = "k8s.io/ingress-nginx"
    ingress_class: str = "nginx"
    watch_ingress_without_class: bool = False
    http_port: int = 80
    https_port: int = 443
    healthz_port: int = 10254


_WITHOUT_EFFECT: Final = frozenset(
    ("election-id", "configmap", "validating-webhook", "validating-webhook-certificate",
     "validating-webhook-key", "enable-metrics", "v", "shutdown-grace-period")
)  # fmt: skip
_KINDS: Final[Mapping[str, type]] = {
    "publish-service": str,
    "default-ssl-certificate": str,
    "default-backend-service": str,
    "controller-class": str,
    "ingress-class": str,
    "watch-ingress-without-class": bool,
    "http-port": int,
    "https-port": int,
    "healthz-port": int,
}
#: Flags that name an object.
_KEYS: Final = ("publish-service", "default-ssl-certificate", "default-backend-service")


def read(arguments: Sequence[str]) -> Flags:
    """Read *arguments*; raises FlagError."""
    found: dict[str, str | int | bool] = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        kind = _KINDS.get(name)
        if not word.startswith("--") or (kind is None and name not in _WITHOUT_EFFECT):
            raise FlagError(f"unknown flag: {word.partition('=')[0]}")
        if not equals and kind is not bool and name != "enable-metrics":
            value = next(words, "")
        if kind is not None:
            found[name.replace("-", "_")] = _value(name, kind, value)
    return Flags(**found)  # type: ignore[arg-type]


def _value(name: str, kind: type, text: str) -> str | int | bool:
    if kind is bool:
        if text not in ("", "true", "false"):
            raise FlagError(f'invalid argument "{text}" for "--{name}" flag: true or false')
        return text != "false"
    if kind is int:
        if not text.isascii() or not text.isdigit() or not 0 <= int(text) < 1 << 16:
            raise FlagError(f'invalid argument "{text}" for "--{name}" flag: a port')
        return int(text)
    if not text:
        raise FlagError(f"flag needs an argument: --{name}")
    if name in _KEYS and text.count("/") != 1:
        raise FlagError(f'invalid argument "{text}" for "--{name}" flag: NAMESPACE/NAME')
    return text
