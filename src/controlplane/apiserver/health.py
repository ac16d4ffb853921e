"""/healthz, /livez and /readyz: each a list of named checks (upstream: server/healthz).

`?verbose` shows every check, `?exclude=NAME` leaves one out, `/readyz/NAME` asks one alone. Why a
check fails is told only by the latter, which not everybody may ask. Unlike upstream's, /livez does
not look at the store: a restart would not bring that back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.exchange import Answer
from kubeapi.status import no_such_path

ENDPOINTS: Final = ("healthz", "livez", "readyz")
_TEXT: Final = "text/plain; charset=utf-8"
_HEADERS: Final = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well; *failure* returns what is wrong, or nothing."""

    name: str
    failure: Callable[[], str]


PING: Final = Check("ping", lambda: "")


class Health:
    """Answers for all endpoints."""

    def __init__(self, checks: Mapping[str, Sequence[Check]]) -> None:
        assert tuple(checks) == ENDPOINTS
        self._checks = checks

    def names(self) -> list[str]:
        """Return every path."""
        return [
            path
            for endpoint, checks in self._checks.items()
            for path in (f"/{endpoint}", *(f"/{endpoint}/{check.name}" for check in checks))
        ]

    def answer(
        self, endpoint: str, name: str, *, excluded: Sequence[str] = (), verbose: bool = False
    ) -> Answer:
        """Answer for all checks, or the one called *name*; raises StatusError 404."""
        checks = self._checks[endpoint]
        if name:
            return _one(checks, name)
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
            return _text("\n".join((*lines, f"{endpoint} check failed\n")), 500)
        return _text("\n".join((*lines, f"{endpoint} check passed\n")) if verbose else "ok")


def _one(checks: Sequence[Check], name: str) -> Answer:
    for check in checks:
        if check.name == name:
            why = check.failure()
            return _text(f"internal server error: {why}\n", 500) if why else _text("ok")
    raise no_such_path()


def _text(text: str, status: int = 200) -> Answer:
    return Answer(status=status, body=text.encode(), content_type=_TEXT, headers=_HEADERS)
