"""When each request is meant to be sent: seconds since the start, ascending."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from loadgen.plan import Arrival, LoadPlan


def intended_times(plan: LoadPlan, rng: random.Random) -> Iterator[float]:
    """Yield the moments of *plan*: evenly spaced, or as independent users would come."""
    if plan.arrival is Arrival.CONSTANT:
        # Not a running sum: ten million additions of 1/rate would drift.
        yield from (count / plan.rate for count in range(math.ceil(plan.rate * plan.duration_s)))
        return
    moment = rng.expovariate(plan.rate)
    while moment < plan.duration_s:
        yield moment
        moment += rng.expovariate(plan.rate)
