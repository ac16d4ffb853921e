"""When each request is meant to be sent: seconds since the start, ascending.

The number of requests due by a moment is the integral of the rate; a request's moment is where
that integral reaches the request's number (even spacing) or the next sum of unit exponentials
(a Poisson process, also of a rate that changes). The integral runs on over stages, so that none
begins with a request of its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from loadgen.plan import LoadPlan
from loadgen.stages import Stage


def intended_times(plan: LoadPlan, rng: random.Random) -> Iterator[float]:
    """Yield the moments of *plan*."""
    began_at = done = 0.0  # Seconds, and requests, before this stage.
    wanted = 0.0  # What the integral reaches at the next request.
    is_first = True
    for stage in plan.all_stages:
        end = done + stage.requests
        is_random = stage.arrival.is_random
        if is_first and is_random:
            wanted = rng.expovariate(1.0)
        is_first = False
        while wanted < end:
            yield began_at + _reaches(stage, wanted - done)
            # Whole numbers are added exactly; only a random spacing leaves them.
            wanted += rng.expovariate(1.0) if is_random else 1.0
        done = end
        began_at += stage.duration_s


def _reaches(stage: Stage, requests: float) -> float:
    """Return how long after its beginning a stage has asked for so many *requests*."""
    if stage.rate == stage.rate_end:
        return requests / stage.rate
    if requests == 0.0:
        return 0.0
    # rate·t + slope·t²/2 = requests, solved so that nothing is lost by a difference of likes.
    slope = (stage.rate_end - stage.rate) / stage.duration_s
    root = math.sqrt(max(stage.rate * stage.rate + 2 * slope * requests, 0.0))
    return min(2 * requests / (stage.rate + root), stage.duration_s)
