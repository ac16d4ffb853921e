"""Many seeds of many scenarios, in several processes; what fails is cut down to what matters.

A run that raises is a failure like one that violates a law: both come with their seed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from simulator.link import Watch
from simulator.plan import Plan
from simulator.scenarios import plan_of
from simulator.simulation import Outcome, Simulation

#: What a defect of ours raises; it is reported, and the other seeds go on.
_DEFECTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    struct.error,
    TypeError,
    ValueError,
)
_CHUNK: Final = 8
_SHRINKS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Job:
    """One run: a scenario's plan for a seed, or with some of its events *only*."""

    scenario: str
    seed: int
    only: tuple[int, ...] | None = None

    @property
    def plan(self) -> Plan:
        plan = plan_of(self.scenario, self.seed)
        return plan if self.only is None else plan.only(self.only)

    @property
    def command(self) -> str:
        """The command that runs it again."""
        only = "" if self.only is None else f" --only {','.join(map(str, self.only)) or 'none'}"
        return f"python -m simulator replay {self.scenario} --seed {self.seed}{only}"


def attempt(job: Job, *, watch: Watch | None = None) -> Outcome:
    """Run *job*; a defect that shows by an exception is a violation, too."""
    try:
        return Simulation(job.plan, job.seed, watch=watch).run()
    except _DEFECTS as error:
        return Outcome(violations=[f"{type(error).__name__}: {error} (at {_place(error)})"])


def _place(error: BaseException) -> str:
    """Return the innermost line of *error*'s traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def run_all(jobs: Sequence[Job], *, processes: int) -> Iterator[tuple[Job, Outcome]]:
    """Run *jobs* and say what came of each, in their order."""
    if processes <= 1:
        yield from map(_attempt_named, jobs)
        return
    # Spawned, not forked: a fork takes over whatever locks and signal handlers its parent had.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        yield from pool.map(_attempt_named, jobs, chunksize=_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt_named(job: Job) -> tuple[Job, Outcome]:
    return job, attempt(job)


def shrink(job: Job, attempt: Callable[[Job], Outcome] = attempt) -> Job:
    """Leave out events as long as the run still fails; return the smallest that does."""
    smallest = job.only if job.only is not None else tuple(range(len(job.plan.events)))
    tried, progress = 0, True
    while progress:
        progress = False
        for index in smallest:
            rest = tuple(each for each in smallest if each != index)
            tried += 1
            if tried > _SHRINKS_MAX:
                return Job(job.scenario, job.seed, smallest)
            if attempt(Job(job.scenario, job.seed, rest)).violations:
                smallest, progress = rest, True
                break
    return Job(job.scenario, job.seed, smallest)
