"""Whether a run may be believed: did loadgen itself do what it had planned?

A server that answers slowly makes requests wait for a connection, and that is a finding. A load
generator that sends late, or whose event loop stands still, measures itself; its run is INVALID.
What tells them apart: lateness counts from the intended moment to the moment at which loadgen
turned to the request, before any connection is needed, and lag is that of a timer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadgen.outcome import DROPPED, OWN_LIMITS
from loadgen.quantity import format_duration

#: A request turned to later than this was not sent at its time.
LATE_S: Final = 0.010
#: Above this share of late requests the run did not keep its schedule.
LATE_SHARE_MAX: Final = 0.01
#: A timer this late at its 99th percentile blurs every latency that is shorter.
LAG_P99_MAX_S: Final = 0.010


def invalid_reasons(
    sent: int,
    late: int,
    lateness_max_s: float,
    lag_p99_s: float,
    errors: Mapping[str, int],
) -> list[str]:
    """Return why the run says more of loadgen than of the server; nothing is good."""
    reasons = []
    if late > sent * LATE_SHARE_MAX:
        reasons.append(
            f"{late:,} of {sent:,} requests left more than {format_duration(LATE_S)} late (at "
            f"worst {format_duration(lateness_max_s)}): loadgen could not keep its schedule; "
            "lower the rate, or run several"
        )
    if lag_p99_s > LAG_P99_MAX_S:
        reasons.append(
            f"loadgen's event loop stood still for {format_duration(lag_p99_s)} at its 99th "
            "percentile: latencies are blurred by as much; this machine is too busy"
        )
    reasons += [
        f"{errors[kind]:,} requests failed by loadgen's own limit: {kind}"
        for kind in OWN_LIMITS
        if errors.get(kind)
    ]
    return reasons


def warnings(errors: Mapping[str, int], connections: int) -> list[str]:
    """Return what a reader should know although the run is valid."""
    if not errors.get(DROPPED):
        return []
    return [
        f"{errors[DROPPED]:,} requests were never sent: {connections} were under way already, and "
        "the server took too long to answer those. --connections allows more"
    ]
