import pytest

from controlplane.scheduler.resources import requests_of, scored_requests_of


def container(cpu, *, always=False):
    made = {"resources": {"requests": {"cpu": cpu}}}
    return {**made, "restartPolicy": "Always"} if always else made


@pytest.mark.parametrize(
    ("containers", "init", "milli"),
    [
        (["1", "500m"], [], 1500),
        (["1"], [container("3")], 3000),  # the hungrier moment counts
        (["1"], [container("200m")], 1000),
        (["1"], [container("200m", always=True)], 1200),  # a sidecar stays
        (["1"], [container("1", always=True), container("2")], 3000),
        (["1"], [container("2"), container("1", always=True)], 2000),
    ],
)
def test_requests_of(containers, init, milli):
    spec = {"containers": [container(cpu) for cpu in containers], "initContainers": init}
    assert requests_of(spec) == {"cpu": milli}


def test_overhead_counts_and_zero_does_not():
    spec = {"containers": [container("0")], "overhead": {"memory": "1Mi"}}
    assert requests_of(spec) == {"memory": 1 << 20}


def test_scoring_guesses_what_is_not_said():
    spec = {"containers": [container("1"), {}]}
    assert scored_requests_of(spec, requests_of(spec)) == {"cpu": 1100, "memory": 2 * 200 << 20}
