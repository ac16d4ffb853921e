"""Why a cluster does not come up, in the words of the processes themselves."""

from __future__ import annotations

import re
from typing import Final

from podwire.cluster.layout import Layout, UsageError
from podwire.launcher.client import call, call_async

_STATUS_TIMEOUT_S: Final = 2.0
_RESTARTS_MANY: Final = 3
#: With the launcher's back-off that is a quarter of a minute.
_RESTARTS_HOPELESS: Final = 8
_NAMED_MAX: Final = 4
_LOG_END: Final = 8192
_LINE_MAX: Final = 300
#: A line of a log that is a warning or an error.
_COMPLAINT: Final = re.compile(r"\S+ [WE] ")


def why_not_up(paths: Layout) -> str:
    """Return, in parentheses, who cannot start and why; else what was complained about last."""
    try:
        rows = call(paths, "status", timeout_s=_STATUS_TIMEOUT_S)["processes"]
    except UsageError:
        return ""
    dying = [row["name"] for row in rows if row["restarts"] >= _RESTARTS_MANY]
    said = [_why(paths, name) for name in dying[:_NAMED_MAX]]
    if not dying:
        complaints = (_complaint(paths, row["name"]) for row in rows)
        said = [next((complaint for complaint in complaints if complaint), "")]
    text = "; ".join(filter(None, said))
    return f" ({text})" if text else ""


async def is_hopeless(paths: Layout) -> bool:
    """Tell whether a process has ended so often that it will not live."""
    try:
        status = await call_async(paths, "status", timeout_s=_STATUS_TIMEOUT_S)
    except UsageError:
        return False  # The launcher has no time yet, or is no more: others see to that.
    return any(row["restarts"] >= _RESTARTS_HOPELESS for row in status["processes"])


def _why(paths: Layout, name: str) -> str:
    """Return that *name* cannot start, with the last line of its log."""
    lines = _log_end(paths, name)
    panics = [line for line in lines if line.startswith("panic: ")]  # Go's; a trace follows.
    last = (panics or lines)[-1:]
    return f"{name} cannot start{': ' + last[0][:_LINE_MAX] if last else ''}"


def _complaint(paths: Layout, name: str) -> str:
    """Return the last warning or error in the log of *name*."""
    found = [line for line in _log_end(paths, name) if _COMPLAINT.match(line)]
    return f"{name}: {found[-1][:_LINE_MAX]}" if found else ""


def _log_end(paths: Layout, name: str) -> list[str]:
    try:
        octets = paths.log(name.replace("/", ".")).read_bytes()[-_LOG_END:]
    except OSError:
        return []
    return octets.decode(errors="replace").strip().splitlines()
