"""`podwire certs …`: when certificates end, and new ones for them (kubeadm's words)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

import click

from podwire.cli import cluster_option, output_option
from podwire.cluster import pki, renewal
from podwire.cluster.layout import Layout, UsageError
from podwire.cluster.renewal import Found

_DAY_S: Final = 86_400
_ALL: Final = "all"


@click.group()
def certs() -> None:
    """Look at the cluster's certificates, and renew them.

    \b
    Example: podwire certs check-expiration
    """


@certs.command("check-expiration")
@cluster_option
@output_option
def check_expiration(cluster_name: str, output: str) -> None:
    """Show when each certificate ends.

    \b
    Example: podwire certs check-expiration -o json
    """
    paths = Layout.of(cluster_name)
    paths.read_cluster()
    now = pki.utc_now()
    found = renewal.found(paths)
    if output == "json":
        click.echo(json.dumps([_as_json(each, now) for each in found], indent=2))
        return
    rows = [("CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY")]
    rows += [
        (
            each.name,
            f"{each.certificate.not_valid_after_utc:%b %d, %Y %H:%M UTC}",
            residual(each.left_s(now)),
            each.authority,
        )
        for each in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("   ".join(cells).rstrip())


def _as_json(each: Found, now: datetime) -> dict[str, object]:
    return {
        "name": each.name,
        "file": str(each.file),
        "expires": f"{each.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "residual_s": int(each.left_s(now)),
        "authority": each.authority,
    }


def residual(left_s: float) -> str:
    """Return how long a certificate still holds, as kubeadm says it."""
    if left_s <= 0:
        return "<invalid>"
    days = int(left_s // _DAY_S)
    if days >= 2 * 365:
        return f"{days // 365}y"
    return f"{days}d" if days else f"{int(left_s // 3600)}h"


@certs.command()
@click.argument("names", metavar="NAME…|all", nargs=-1, required=True)
@cluster_option
def renew(names: tuple[str, ...], cluster_name: str) -> None:
    """Make new certificates, and keys, for the same names.

    Servers show theirs within seconds. Who is a client takes up its own when it starts.

    \b
    Example: podwire certs renew all
    """
    paths = Layout.of(cluster_name)
    paths.read_cluster()
    known = {each.name: each for each in renewal.found(paths) if not each.is_authority}
    if unknown := [name for name in names if name not in (_ALL, *known)]:
        raise UsageError(f"there is no certificate {unknown[0]}: there are {', '.join(known)}")
    wanted = list(known) if _ALL in names else list(dict.fromkeys(names))
    for name in wanted:
        renewal.renew(paths, known[name], pki.utc_now())
        click.echo(f"{name} renewed")
    if any(known[name].key_pem and name != "admin.conf" for name in wanted):
        click.echo(
            "clients take up their new certificates when they start: podwire process kill NAME"
        )
