"""`podwire up`: make a cluster, start it in the background, return when every node is Ready."""

from __future__ import annotations

from podwire.launcher.entries import ENTRIES  # isort: split

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from typing import Final

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console
from rich.progress import Progress, TaskID

from componentbase.timings import TIMINGS, TimingsName
from podwire.cli import CommandFailed, cluster_option, diagnosis
from podwire.cli.audit_options import AuditWish, audit_options
from podwire.cli.cni_option import cni_option
from podwire.cli.kubelet_options import KubeletWish, kubelet_options
from podwire.cli.outside import tell_dns
from podwire.cli.outside_options import OutsideWish, outside_options
from podwire.cli.proxy_options import ProxyWish, proxy_options
from podwire.cli.readiness import Readiness, progress_bar
from podwire.cli.scheduler_option import scheduler_option
from podwire.cluster import blocks, etcd, make, open_files
from podwire.cluster.families import IpFamily
from podwire.cluster.kept import NODES, Wish, settle
from podwire.cluster.layout import (
    CONTROL_PLANES_MAX,
    DNS_REPLICAS_MAX,
    HOLLOW_MAX,
    MTU_MAX,
    MTU_MIN,
    NODES_MAX,
    Cluster,
    Layout,
    StoreName,
    UsageError,
    is_loopback_socket,
    no_home,
)
from podwire.cluster.lock import exclusive
from podwire.launcher import faults, session
from podwire.launcher.client import launcher_gone, running_session

_READY_TIMEOUT_S: Final = 60.0
_READY_TIMEOUT_PER_NODE_S: Final = 2.0
_POLL_S: Final = 0.05
#: Each look lists the nodes: with a thousand of them that is no trifle for the API server.
_POLL_PER_NODE_S: Final = 0.001
_HOPELESS_POLL_S: Final = 2.0
#: Heartbeats in a second that leave an API server of this kind time for others.
_LEASES_PER_S_MAX: Final = 250
_NOTED_POLL_S: Final = 0.001


#: Fields of a cluster that are called otherwise than the options' parameters.
_FIELDS: Final = {
    "addresses": "node_port_addresses",
    "any_port": "outside_any",
    "cidrs": "non_masquerade_cidrs",
    "image_bandwidth": "image_bandwidth_bit_s",
    "services": "outside",
}


class AlreadyUp(UsageError):
    """The cluster that should be started runs."""


@click.command()
@cluster_option
@click.option(
    "--nodes",
    type=click.IntRange(1, NODES_MAX),
    help=f"How many.  [default: {NODES}, or those of the state that was kept]",
)
@click.option(
    "--hollow",
    type=click.IntRange(0, HOLLOW_MAX),
    default=0,
    metavar="N",
    help="So many nodes more that run no pods: kubelet and kube-proxy of all of them are one"
    " process, hollow-1 to hollow-N.  [default: 0, or those of the state that was kept]",
)
@click.option(
    "--control-planes",
    type=click.IntRange(1, CONTROL_PLANES_MAX),
    help="How many of each control-plane process; several need etcd.  [default: 1]",
)
@click.option(
    "--store",
    type=click.Choice(["embedded", "etcd"]),
    help="Where the API server keeps objects; etcd must be installed."
    "  [default: embedded, etcd for several control planes]",
)
@click.option(
    "--timings",
    type=click.Choice(["lab", "kubernetes"]),
    default="lab",
    show_default=True,
    help="kubernetes: upstream's timers. lab: the same, ten times faster.",
)
@click.option(
    "--ip-family",
    type=click.Choice(["ipv4", "ipv6", "dual"]),
    help="Addresses of pods, Services and nodes; dual has both, IPv4 foremost. This machine needs"
    " no IPv6 for any.  [default: ipv4, or that of the state that was kept]",
)
@click.option(
    "--network",
    type=click.Choice(["flannel"]),
    default="flannel",
    show_default=True,
    help="How pods of different nodes reach each other.",
)
@click.option(
    "--mtu",
    type=click.IntRange(MTU_MIN, MTU_MAX),
    default=1500,
    show_default=True,
    help="Of the network between the nodes; pods have 50 less. Frames beyond 1500 are jumbo.",
)
@proxy_options
@click.option(
    "--dns-replicas",
    type=click.IntRange(0, DNS_REPLICAS_MAX),
    default=1,
    show_default=True,
    help="Pods of the cluster's DNS in a new cluster; 0 makes none.",
)
@click.option(
    "--dns-upstream",
    default="",
    metavar="ADDRESS:PORT",
    help="A resolver of this machine's loopback that answers for all other names."
    "  [default: none, they are refused]",
)
@click.option(
    "--ingress/--no-ingress",
    default=False,
    help="Have an ingress controller, ingress-nginx' class nginx, behind a Service LoadBalancer.",
)
@outside_options
@cni_option
@scheduler_option
@audit_options
@kubelet_options
def up(
    cluster_name: str,
    nodes: int | None,
    hollow: int,
    control_planes: int | None,
    store: StoreName | None,
    timings: TimingsName,
    ip_family: IpFamily | None,
    network: str,
    mtu: int,
    proxy_wish: ProxyWish,
    dns_replicas: int,
    dns_upstream: str,
    ingress: bool,
    outside_wish: OutsideWish,
    cni_conf: str,
    scheduler_config: str,
    audit_wish: AuditWish,
    kubelet_wish: KubeletWish,
) -> None:
    """Start a cluster in the background.

    \b
    Examples:
    podwire up --nodes 5
    podwire up --hollow 100
    podwire up --control-planes 3
    podwire up --ip-family dual
    podwire up --proxy-mode ipvs --ipvs-scheduler wlc
    podwire up --outside db=127.0.0.1:5432
    """
    _check_resolver(dns_upstream)
    cluster = Cluster(
        name=cluster_name,
        nodes=nodes or NODES,
        hollow=hollow,
        timings=timings,
        network=network,
        mtu=mtu,
        proxy_mode=proxy_wish.mode,
        ipvs_scheduler=proxy_wish.scheduler,
        node_port_addresses=proxy_wish.node_port_addresses,
        dns_replicas=dns_replicas,
        dns_upstream=dns_upstream,
        ingress=ingress,
        outside=outside_wish.services,
        outside_any=outside_wish.any_port,
        non_masquerade_cidrs=outside_wish.non_masquerade_cidrs,
        cni_conf=cni_conf,
        scheduler_config=scheduler_config,
        audit_policy=audit_wish.policy,
        audit_log=audit_wish.log,
        kubelet_config=kubelet_wish.config,
        image_bandwidth_bit_s=kubelet_wish.image_bandwidth_bit_s,
        node_cpu=kubelet_wish.cpu,
        node_memory=kubelet_wish.memory,
        node_disk=kubelet_wish.disk,
    )
    wish = Wish(
        cluster=cluster,
        said=_said(click.get_current_context()),
        nodes=nodes,
        store=store,
        control_planes=control_planes,
        ip_family=ip_family,
    )
    _greet(start(wish, Console(stderr=True)))


def _said(context: click.Context) -> frozenset[str]:
    """Return the fields of a cluster whose options somebody gave, be it with their defaults."""
    given = (
        name
        for name in context.params
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    )
    return frozenset(_FIELDS.get(name, name) for name in given)


def heartbeats_warning(cluster: Cluster) -> str:
    """Say what many nodes do to an API server with the lab's timers; "" when they are few."""
    every_s = TIMINGS[cluster.timings].node_lease_renew_s
    rate = len(cluster.all_names) / every_s
    if rate <= _LEASES_PER_S_MAX:
        return ""
    return (
        f"Warning: {len(cluster.all_names)} nodes renew {rate:.0f} Leases a second; with "
        "--timings kubernetes it is a tenth"
    )


def _greet(paths: Layout) -> None:
    cluster, name = paths.read_cluster(), paths.name_option
    if warning := heartbeats_warning(cluster):
        click.echo(warning, err=True)
    if cluster.outside:
        tell_dns(paths)
    click.echo(
        f"\n  export KUBECONFIG=$(podwire kubeconfig{name})\n"
        f"  kubectl get nodes -o wide\n"
        f"\nA NodePort answers on {_node_addresses(cluster)}."
        f"\nWithout kubectl: podwire get nodes{name}.  Stop it all: podwire down{name}"
    )


def _check_resolver(place: str) -> None:
    """Raise UsageError unless there may be a resolver at *place*, or none is asked for."""
    if place and not is_loopback_socket(place):
        raise UsageError(
            f"--dns-upstream {place!r} is no resolver of this machine's loopback; "
            "write 127.0.0.1:5353"
        )


def start(wish: Wish | Cluster, console: Console) -> Layout:
    """Start the cluster that is wanted, on a free address block; wait until Ready.

    Raises AlreadyUp when it runs, CommandFailed when it does not become Ready.
    """
    if isinstance(wish, Cluster):
        wish = Wish(cluster=wish, nodes=len(wish.node_numbers))
    began = time.monotonic()
    name = wish.cluster.name
    paths = Layout.of(name)
    is_ours = False
    try:
        with exclusive():
            known = running_session(paths)
            if known is not None and not session.launcher_alive(known):
                raise launcher_gone(paths)
            if known is not None:
                raise AlreadyUp(
                    f"cluster {name!r} is up already; podwire status{paths.name_option} shows it, "
                    f"podwire down{paths.name_option} stops it"
                )
            is_ours = True
            cluster, launcher_pid = _launch(paths, wish)
        _wait_ready(cluster, paths, launcher_pid, console)
    except KeyboardInterrupt:
        if is_ours:
            _stop(paths)
            console.print(
                "Interrupted: everything is stopped again; "
                f"podwire down{paths.name_option} removes the files."
            )
        raise
    took_s = time.monotonic() - began
    nodes = _nodes_text(cluster)
    console.print(f"Cluster [bold]{name}[/bold] is up: {nodes} Ready in {took_s:.1f} s.")
    return paths


def _nodes_text(cluster: Cluster) -> str:
    live, hollow = len(cluster.node_numbers), len(cluster.hollow_numbers)
    words = f"{live} node{'' if live == 1 else 's'}"
    return f"{words} and {hollow} hollow one{'' if hollow == 1 else 's'}" if hollow else words


def _launch(paths: Layout, wish: Wish) -> tuple[Cluster, int]:
    """Make the cluster on disk and fork its launcher; leave no half-made directory behind."""
    is_new = not paths.directory.exists()
    _check_directory(paths)
    wanted = settle(wish, paths)
    if wanted.store == "etcd":
        etcd.check()  # Before anything is written.
    open_files.check(wanted)
    faults.read(paths)  # Likewise.
    block, holder = _claim_block(paths, wanted)
    cluster = msgspec.structs.replace(wanted, block=block)
    try:
        paths.session_file.unlink(missing_ok=True)
        paths.launcher_socket.unlink(missing_ok=True)
        make.make(cluster, paths)
        return cluster, _fork_launcher(cluster, paths, holder)
    except (OSError, KeyboardInterrupt) as error:
        _stop(paths)  # The interrupt may have waited until the launcher was there.
        if is_new:
            shutil.rmtree(paths.directory, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        if isinstance(error, PermissionError):
            raise no_home(error) from None
        raise CommandFailed(_cannot_make(paths, error)) from None
    finally:
        holder.close()  # The cluster's processes hold it now.


def _cannot_make(paths: Layout, error: OSError) -> str:
    where = error.filename or paths.directory
    damaged = isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError)
    advice = f"; podwire down{paths.name_option} removes the damaged cluster" if damaged else ""
    return f"cannot make the cluster: {where}: {error.strerror or error}{advice}"


def _check_directory(paths: Layout) -> None:
    is_ours = paths.cluster_file.exists() or paths.is_half_made()
    if paths.directory.exists() and not is_ours:
        raise UsageError(
            f"{paths.directory} exists and is not a cluster of ours; "
            "move it away, or choose another --name"
        )


def _claim_block(paths: Layout, wanted: Cluster) -> tuple[int, socket.socket]:
    """Return the block the cluster had before if it is still free, else another one.

    What was kept names the block only in etcd's data, where members know each other by address.
    """
    nodes = max(wanted.node_numbers)
    if wanted.block:
        holder = blocks.claim_block(wanted.block, nodes, wanted.control_planes)
        if holder is not None:
            return wanted.block, holder
        if wanted.control_planes > 1:
            raise UsageError(
                f"the addresses 127.0.{wanted.block}.* that the kept etcd members know each "
                f"other by are in use; stop who has them, or: podwire down{paths.name_option}"
            )
    return blocks.claim(nodes, wanted.control_planes)


def _fork_launcher(cluster: Cluster, paths: Layout, holder: socket.socket) -> int:
    # Imported here, before the fork: every process of the cluster shares these pages.
    from podwire.launcher.run import daemonize_and_run

    sys.stdout.flush()
    sys.stderr.flush()
    interrupts = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, interrupts)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(daemonize_and_run(cluster, paths, dict(ENTRIES), keep=holder.fileno()))
            except OSError as error:
                os.write(2, f"podwire: the launcher: {error}\n".encode())
            finally:
                os._exit(1)  # Whatever happens, this fork must not go on as `podwire up`.
        while not paths.session_file.exists() and not _ended(pid):
            time.sleep(_NOTED_POLL_S)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts)
    return pid


def _wait_ready(cluster: Cluster, paths: Layout, launcher_pid: int, console: Console) -> None:
    timeout_s = _READY_TIMEOUT_S + _READY_TIMEOUT_PER_NODE_S * len(cluster.all_names)
    with progress_bar(console) as progress:
        nodes = progress.add_task("nodes Ready", total=len(cluster.all_names))
        try:
            asyncio.run(_poll(paths, cluster, (progress, nodes), launcher_pid, timeout_s))
        except (TimeoutError, CommandFailed) as error:
            why = diagnosis.why_not_up(paths)
            with exclusive():  # `podwire down` may be at work; if so let it finish.
                _stop(paths)
                is_gone = not paths.directory.exists()
            if is_gone:
                raise CommandFailed("another command stopped the cluster") from None
            reason = str(error) or f"not every node became Ready within {timeout_s:.0f} s"
            raise CommandFailed(
                f"{reason}{why}; everything is stopped again, "
                f"the logs are in {paths.directory / 'logs'}"
            ) from None


def _stop(paths: Layout) -> None:
    known = running_session(paths)
    if known is not None:
        session.kill(known)


async def _poll(
    paths: Layout,
    cluster: Cluster,
    bar: tuple[Progress, TaskID],
    launcher_pid: int,
    timeout_s: float,
) -> None:
    progress, task = bar
    readiness = Readiness(paths)
    look_at = time.monotonic() + _HOPELESS_POLL_S
    try:
        async with asyncio.timeout(timeout_s):
            while (ready := await readiness.nodes_ready()) < len(cluster.all_names):
                progress.update(task, completed=ready)
                if _ended(launcher_pid):
                    raise CommandFailed("the launcher ended")
                if time.monotonic() > look_at:
                    look_at = time.monotonic() + _HOPELESS_POLL_S
                    if await diagnosis.is_hopeless(paths):
                        raise CommandFailed("the cluster does not come up")
                await asyncio.sleep(max(_POLL_S, _POLL_PER_NODE_S * len(cluster.all_names)))
    finally:
        await readiness.close()


def _ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True  # It was seen to end before.


def _node_addresses(cluster: Cluster) -> str:
    addresses = [cluster.transport_address(number) for number in cluster.node_numbers]
    if len(addresses) == 1:
        return addresses[0]
    return f"{addresses[0]} to {addresses[-1]}, one for each node"
