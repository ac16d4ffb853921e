from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.rbac.names import path_segment


@pytest.mark.parametrize("name", ["system:node", "kubeadm:get-nodes", "A b", "ü"])
def test_nearly_everything_is_a_name(name):
    assert path_segment(name) == []


def test_what_would_be_another_path():
    assert path_segment("..") == ["may not be '..'"]
    assert path_segment("a/b%") == ["may not contain '/'", "may not contain '%'"]
