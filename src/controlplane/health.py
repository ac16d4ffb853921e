"""Named checks, and what they say together (upstream: server/healthz)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well; *failure* returns what is wrong, or nothing."""

    name: str
    failure: Callable[[], str]


PING: Final = Check("ping", lambda: "")


def all_of(
    endpoint: str, checks: Sequence[Check], excluded: Sequence[str], *, verbose: bool
) -> tuple[int, str]:
    """Return status and text of an endpoint: `ok`, or a line for each check."""
    lines, failed = [], False
    for check in checks:
        if check.name in excluded:
            lines.append(f"[+]{check.name} excluded: ok")
        elif check.failure():
            failed = True
            lines.append(f"[-]{check.name} failed: reason withheld")
        else:
            lines.append(f"[+]{check.name} ok")
    known = [check.name for check in checks]
    unknown = [f'"{each}"' for each in sorted({*excluded}) if each not in known]
    if unknown:
        told = ",".join(unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {told}")
    if failed:
        return 500, "\n".join((*lines, f"{endpoint} check failed\n"))
    return 200, "\n".join((*lines, f"{endpoint} check passed\n")) if verbose else "ok"


def one_of(checks: Sequence[Check], name: str) -> tuple[int, str] | None:
    """Return status and text of the check called *name*; None where there is none."""
    for check in checks:
        if check.name == name:
            why = check.failure()
            return (500, f"internal server error: {why}\n") if why else (200, "ok")
    return None
