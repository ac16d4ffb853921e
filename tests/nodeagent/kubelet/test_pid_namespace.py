"""Whose processes a container sees."""

from __future__ import annotations

import pytest

from nodeagent.kubelet.pid_namespace import namespace_options
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.runtime_status import ContainerState, ContainerStatus, PodRuntimeStatus

WEB = ContainerStatus(id="c1", sandbox_id="s", name="web", attempt=0, state=ContainerState.RUNNING)
SEEN = PodRuntimeStatus(uid="u", name="p", namespace="d", containers=(WEB,))


@pytest.mark.parametrize(
    ("spec", "container", "options"),
    [
        ({}, {}, {"pid": "CONTAINER"}),
        ({"shareProcessNamespace": True}, {}, {"pid": "POD"}),
        ({}, {"targetContainerName": "web"}, {"pid": "TARGET", "target_id": "c1"}),
        (
            {"shareProcessNamespace": True},
            {"targetContainerName": "web"},
            {"pid": "TARGET", "target_id": "c1"},
        ),
    ],
)
def test_options(spec, container, options):
    assert namespace_options({"spec": spec}, container, SEEN) == options


def test_a_target_that_is_not_there():
    with pytest.raises(ConfigError, match="unable to find target container db"):
        namespace_options({"spec": {}}, {"targetContainerName": "db"}, SEEN)
