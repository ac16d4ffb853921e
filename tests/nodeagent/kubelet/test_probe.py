import pytest

from nodeagent.kubelet.probe import ProbeSpec, ProbeType, ProbeWorker, Verdict, resume

SPEC = ProbeSpec(initial_delay_s=5, period_s=2, success_threshold=1, failure_threshold=3)


def test_spec_takes_the_api_defaults():
    assert ProbeSpec.of({}) == ProbeSpec()
    assert ProbeSpec.of({"periodSeconds": 3}).period_s == 3


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (ProbeType.STARTUP, Verdict.UNKNOWN),
        (ProbeType.LIVENESS, Verdict.SUCCESS),
        (ProbeType.READINESS, Verdict.FAILURE),
    ],
)
def test_before_the_first_outcome(kind, verdict):
    assert ProbeWorker(kind, SPEC, 100).verdict is verdict


def test_first_probe_after_the_initial_delay_then_every_period():
    worker = ProbeWorker(ProbeType.READINESS, SPEC, 100)
    assert worker.deadline() == 105
    worker.begun(105.1)
    assert worker.deadline() == pytest.approx(107.1)
    worker.hurry(106)
    assert worker.deadline() == 106


def test_failure_counts_only_in_a_row():
    worker = ProbeWorker(ProbeType.LIVENESS, SPEC, 0)
    outcomes = [False, False, True, False, False]
    assert not any(worker.observe(outcome) for outcome in outcomes)
    assert worker.observe(False)
    assert worker.verdict is Verdict.FAILURE
    assert worker.finished  # It is killed now; a new container has a new worker.


def test_readiness_comes_and_goes():
    worker = ProbeWorker(ProbeType.READINESS, ProbeSpec(success_threshold=2), 0)
    assert not worker.observe(True)
    assert worker.observe(True)
    assert worker.verdict is Verdict.SUCCESS
    assert [worker.observe(False) for _ in range(3)] == [False, False, True]
    assert not worker.finished


def test_startup_ends_with_its_first_verdict():
    worker = ProbeWorker(ProbeType.STARTUP, SPEC, 0)
    assert worker.observe(True)
    assert worker.finished


def test_resume_keeps_what_the_api_says():
    ready = ProbeWorker(ProbeType.READINESS, SPEC, 0)
    resume(ready, was_good=True)
    assert ready.verdict is Verdict.SUCCESS
    startup = ProbeWorker(ProbeType.STARTUP, SPEC, 0)
    resume(startup, was_good=True)
    assert startup.finished
    unready = ProbeWorker(ProbeType.READINESS, SPEC, 0)
    resume(unready, was_good=False)
    assert unready.verdict is Verdict.FAILURE


def verdicts(worker: ProbeWorker, outcomes: list[bool]) -> list[Verdict]:
    found = []
    for outcome in outcomes:
        worker.observe(outcome)
        found.append(worker.verdict)
    return found


def test_failure_threshold():
    """worker_test.go TestFailureThreshold, twice in a row."""
    worker = ProbeWorker(ProbeType.READINESS, ProbeSpec(failure_threshold=3), 0)
    good, bad = Verdict.SUCCESS, Verdict.FAILURE
    for _ in range(2):
        assert verdicts(worker, [True] * 3) == [good] * 3
        assert verdicts(worker, [False] * 5) == [good, good, bad, bad, bad]


def test_success_threshold():
    """worker_test.go TestSuccessThreshold, twice in a row."""
    spec = ProbeSpec(success_threshold=3, failure_threshold=1)
    worker = ProbeWorker(ProbeType.READINESS, spec, 0)
    good, bad = Verdict.SUCCESS, Verdict.FAILURE
    for _ in range(2):
        assert verdicts(worker, [True] * 5) == [bad, bad, good, good, good]
        assert verdicts(worker, [False]) == [bad]


@pytest.mark.parametrize("kind", [ProbeType.LIVENESS, ProbeType.STARTUP])
def test_on_hold_on_a_failure(kind):
    """TestOnHoldOnLivenessOrStartupCheckFailure: a new container has a new worker."""
    worker = ProbeWorker(kind, ProbeSpec(failure_threshold=1), 0)
    worker.observe(False)
    assert worker.finished
    assert not ProbeWorker(kind, ProbeSpec(failure_threshold=1), 0).finished
