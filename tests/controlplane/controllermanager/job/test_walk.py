"""Jobs under random walks: every pod is counted once, whoever dies when.

The real controller works on an API in memory (`job_world.py`). Its informer is late as the walk
pleases, any of its writes may be its last, pods end and are deleted as they like. In the end
nothing is in the way any more, and the Job must have ended as its pods say.
"""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from job_world import ENDED, Crash, World, job
from walk import walks

from controlplane.controllermanager.job.job_facts import finished_status
from controlplane.controllermanager.job.tracking import is_tracked
from kubeapi import status
from kubeapi.status import StatusError

UNREACHABLE = status.internal("not today")


def phase(pod):
    return pod["status"]["phase"]


class JobWalk(RuleBasedStateMachine):
    """One Job and whatever happens to it."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.disturbed = False

    def teardown(self):
        if hasattr(self, "world"):
            self._do(self._settle())
        self.loop.close()

    def _do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    @initialize(
        completions=st.integers(1, 5),
        parallelism=st.integers(1, 4),
        indexed=st.booleans(),
        only_failed=st.booleans(),
        per_index=st.booleans(),
    )
    def begin(self, completions, parallelism, indexed, only_failed, per_index):
        self.indexed, self.only_failed = indexed, only_failed
        spec = {"backoffLimit": 1000}
        if indexed:
            spec["completionMode"] = "Indexed"
        if indexed and per_index:
            spec["backoffLimitPerIndex"] = 1000
        if only_failed:
            spec["podReplacementPolicy"] = "Failed"
        self.completions, self.parallelism = completions, parallelism

        async def start():
            self.world = World(job(parallelism, completions, **spec))

        self._do(start())

    def _pods(self, *phases):
        return [pod for _, pod in sorted(self.world.pods.items()) if phase(pod) in phases]

    @rule(nth=st.integers(0, 9))
    def a_pod_runs(self, nth):
        if pods := self._pods("Pending"):
            self.world.run(pods[nth % len(pods)])

    @rule(nth=st.integers(0, 9), ends=st.sampled_from(["Succeeded", "Failed"]))
    def a_pod_ends(self, nth, ends):
        if pods := self._pods("Running"):
            pod = pods[nth % len(pods)]
            self.world.end(pod, ends)

    @rule(nth=st.integers(0, 9))
    def somebody_deletes_a_pod(self, nth):
        if pods := self._pods("Running", *ENDED):
            self.disturbed = True
            self.world.leave(pods[nth % len(pods)])

    @rule(pods=st.integers(0, 3), jobs=st.integers(0, 2))
    def news_comes(self, pods, jobs):
        async def deliver():
            self.world.pod_informer.deliver(pods)
            self.world.job_informer.deliver(jobs)

        self._do(deliver())

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds):
        self.world.now += seconds

    @rule()
    def the_controller_looks(self):
        self._do(self._look())

    @rule(after=st.integers(0, 6))
    def the_controller_dies(self, after):
        self.world.crash_in = after
        self._do(self._look())

    @rule()
    def pods_cannot_be_written(self):
        self.world.fail_pods_with = UNREACHABLE
        self._do(self._look())
        self.world.fail_pods_with = None

    async def _look(self):
        try:
            with contextlib.suppress(StatusError):  # Conflicts, and what was refused: tried again.
                await self.world.sync()
        except Crash:
            self.world.start()

    async def _settle(self):
        """Let all pods succeed and everybody see everything, until nothing changes."""
        self.world.crash_in = None
        for _ in range(60):
            self.world.deliver()
            self.world.now += 700
            await self._look()
            await self.world.let_orphans_go()
            for pod in self._pods("Pending", "Running"):
                leaves = pod["metadata"].get("deletionTimestamp")
                self.world.end(pod, "Failed" if leaves else "Succeeded")
            if finished_status(self.world.job) and not self.world.pod_informer.pending:
                break
        self._check_end()

    def _check_end(self):
        made = self.world.job["status"]
        assert finished_status(self.world.job) == "Complete", made
        assert not any(made["uncountedTerminatedPods"].values())
        if self.indexed:
            wanted = ",".join(map(str, range(self.completions)))
            assert made["succeeded"] == self.completions
            assert made["completedIndexes"] in (wanted, f"0-{self.completions - 1}")
        counted = made["succeeded"] + made.get("failed", 0)
        made_and_kept = len(self.world.created) - len(set(self.world.deleted))
        if self.indexed or self.only_failed:  # Of one index but one success counts.
            assert counted <= made_and_kept
        else:
            assert counted == made_and_kept
            assert made["succeeded"] >= self.completions
        assert not any(is_tracked(pod) for pod in self.world.pods.values())
        assert not [pod for pod in self._pods("Pending", "Running") if not leaves(pod)]

    @invariant()
    def no_more_pods_than_wanted(self):
        if not hasattr(self, "world"):
            return
        active = [pod for pod in self._pods("Pending", "Running") if not leaves(pod)]
        assert len(active) <= self.parallelism
        if not self.disturbed:  # Who deletes a pod may have it succeed beside its successor.
            status = self.world.job.get("status") or {}
            uncounted = (status.get("uncountedTerminatedPods") or {}).get("succeeded") or ()
            succeeded = (status.get("succeeded") or 0) + len(uncounted)
            assert len(active) + succeeded <= self.completions


def leaves(pod):
    return bool(pod["metadata"].get("deletionTimestamp"))


JobWalk.TestCase.settings = walks(40, stateful_step_count=30)
TestJobWalk = JobWalk.TestCase
