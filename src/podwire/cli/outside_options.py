"""Options of `podwire up` about the world outside."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import click

from podwire.cluster import outside
from podwire.cluster.layout import UsageError
from podwire.cluster.outside import OutsideError, OutsideService


@dataclass(frozen=True, slots=True)
class OutsideWish:
    """What a person wants pods to reach, and how."""

    services: tuple[OutsideService, ...]
    any_port: bool
    non_masquerade_cidrs: tuple[str, ...]


def outside_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options, which *function* gets as one argument, `outside_wish`."""

    @click.option(
        "--outside",
        "services",
        multiple=True,
        metavar="NAME=127.0.0.1:PORT[/udp]",
        help="A service of this machine that pods reach as NAME:PORT, outside the cluster;"
        " repeatable. See: podwire outside --help",
    )
    @click.option(
        "--outside-any/--no-outside-any",
        "any_port",
        default=False,
        help="Let pods reach every port of 127.0.0.1, at the host's address 192.168.64.254.",
    )
    @click.option(
        "--non-masquerade-cidr",
        "cidrs",
        multiple=True,
        metavar="CIDR",
        help="Where pods' packets keep their source, as ip-masq-agent's; repeatable.",
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        services: tuple[str, ...],
        any_port: bool,
        cidrs: tuple[str, ...],
        **others: Any,
    ) -> None:
        wish = OutsideWish(parsed(services), any_port, tuple(map(_cidr, cidrs)))
        function(*arguments, outside_wish=wish, **others)

    return wrapped


def parsed(texts: tuple[str, ...]) -> tuple[OutsideService, ...]:
    """Return what `--outside` asks for, with numbers; raises UsageError."""
    try:
        found = [outside.parse(text) for text in texts]
        keys = [each.key for each in found]
        clash = next((each for each in found if keys.count(each.key) > 1), None)
        if clash is not None:
            raise OutsideError(f"{clash.name}:{clash.port} is mapped twice; give one target")
        return outside.added((), found)
    except OutsideError as error:
        raise UsageError(f"--outside: {error}") from None


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise UsageError(f"--non-masquerade-cidr: {error}; write 10.0.0.0/8") from None
