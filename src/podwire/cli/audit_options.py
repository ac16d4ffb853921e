"""`podwire up --audit-policy FILE --audit-log FILE`: what API servers write down."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from podwire.cluster.layout import UsageError


@dataclass(frozen=True, slots=True)
class AuditWish:
    """What a person wants written down, and where."""

    policy: str
    log: str


def audit_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options, which *function* gets as one argument, `audit_wish`."""

    @click.option(
        "--audit-policy",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="An audit.k8s.io/v1 Policy: what API servers write down of requests."
        "  [default: nothing]",
    )
    @click.option(
        "--audit-log",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Where they write it, a line of JSON for each event."
        "  [default: apiserver.audit.log beside the other logs]",
    )
    @functools.wraps(function)
    def told(*, audit_policy: Path | None, audit_log: Path | None, **others: Any) -> None:
        function(
            audit_wish=AuditWish(_read(audit_policy), _place(audit_log, audit_policy)), **others
        )

    return told


def _read(path: Path | None) -> str:
    """Return the text of the file; an API server would not come up with one that is none."""
    if path is None:
        return ""
    # Imported here: no other command needs the API server's code.
    from controlplane.apiserver.audit.policy import BadPolicy, load

    try:
        text = path.read_text()
        load(text)
    except (OSError, UnicodeError, BadPolicy) as error:
        raise UsageError(f"--audit-policy {path}: {error}") from None
    return text


def _place(path: Path | None, policy: Path | None) -> str:
    if path is None:
        return ""
    if policy is None:
        raise UsageError("--audit-log needs --audit-policy: without one nothing is written down")
    found = path.absolute()
    if not found.parent.is_dir():
        raise UsageError(f"--audit-log {path}: {found.parent} is no directory; make it first")
    return str(found)
