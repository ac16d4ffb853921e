"""The checks of an endpoint, in words."""

from __future__ import annotations

import pytest

from controlplane.apiserver.health import Health
from controlplane.health import PING, Check
from kubeapi.status import StatusError

ILL = Check("etcd", lambda: "it is away")
HEALTH = Health({"healthz": (PING, ILL), "livez": (PING,), "readyz": (PING, ILL)})


def test_one_failing_check_fails_the_endpoint_and_says_which_not_why():
    answer = HEALTH.answer("readyz", "")
    assert answer.status == 500
    assert answer.body == b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"


def test_who_may_ask_a_check_alone_is_told_why():
    assert HEALTH.answer("readyz", "etcd").body == b"internal server error: it is away\n"
    assert HEALTH.answer("readyz", "ping").status == 200
    with pytest.raises(StatusError):
        HEALTH.answer("livez", "etcd")


def test_an_excluded_check_does_not_count():
    answer = HEALTH.answer("readyz", "", excluded=["etcd", "none"], verbose=True)
    assert (answer.status, answer.body.decode().splitlines()) == (
        200,
        [
            "[+]ping ok",
            "[+]etcd excluded: ok",
            'warn: some health checks cannot be excluded: no matches for "none"',
            "readyz check passed",
        ],
    )
    assert HEALTH.answer("readyz", "", excluded=["etcd"]).body == b"ok"
