"""Options of `podwire up` about Services: how kube-proxy works on every node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import click

from nodeagent.proxy.mode import IpvsScheduler, ProxyModeName, check_node_port_addresses
from podwire.cluster.layout import UsageError


@dataclass(frozen=True, slots=True)
class ProxyWish:
    """What a person wants of kube-proxy."""

    mode: ProxyModeName
    scheduler: IpvsScheduler
    node_port_addresses: tuple[str, ...]


def proxy_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options, which *function* gets as one argument, `proxy_wish`."""

    @click.option(
        "--proxy-mode",
        type=click.Choice(get_args(ProxyModeName)),
        default="iptables",
        show_default=True,
        help="How Services choose endpoints, as kube-proxy's.",
    )
    @click.option(
        "--ipvs-scheduler",
        type=click.Choice(get_args(IpvsScheduler)),
        help="With --proxy-mode ipvs.  [default: rr]",
    )
    @click.option(
        "--nodeport-addresses",
        "addresses",
        multiple=True,
        metavar="CIDR|primary",
        help="Nodes' addresses that have NodePorts, as kube-proxy's; repeatable."
        "  [default: all; primary with --proxy-mode nftables]",
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        proxy_mode: ProxyModeName,
        ipvs_scheduler: IpvsScheduler | None,
        addresses: tuple[str, ...],
        **others: Any,
    ) -> None:
        if ipvs_scheduler and proxy_mode != "ipvs":
            raise click.UsageError("--ipvs-scheduler needs --proxy-mode ipvs")
        try:
            check_node_port_addresses(addresses)
        except ValueError as error:
            raise UsageError(f"--nodeport-addresses: {error}; write 192.168.64.0/24") from None
        wish = ProxyWish(proxy_mode, ipvs_scheduler or "rr", addresses)
        function(*arguments, proxy_wish=wish, **others)

    return wrapped
