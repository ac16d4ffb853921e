from __future__ import annotations

import pytest


def test_create_makes_it_active_with_finalizer_and_label(made):
    namespace = made("Namespace", {"status": {"phase": "Terminating"}}, "shop")
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}


def test_plain_and_status_updates_keep_the_finalizers(made, update):
    old = made("Namespace", name="shop")
    new = {"metadata": {"name": "shop"}, "spec": {}, "status": {"phase": "Terminating"}}
    assert update("Namespace", new, old) == []
    assert (new["spec"], new["status"]) == (old["spec"], old["status"])
    new = {"metadata": {"name": "shop"}, "spec": {}, "status": {"phase": "Terminating"}}
    assert update("Namespace", new, old, status=True) == []
    assert (new["spec"], new["status"]) == (old["spec"], {"phase": "Terminating"})


@pytest.mark.parametrize(
    ("name", "finalizers", "path"),
    [("a.b", [], "metadata.name"), ("a", ["wait"], "spec.finalizers[0]")],
)
def test_validation(wrong, name, finalizers, path):
    [cause] = wrong("Namespace", {"spec": {"finalizers": finalizers}}, name)
    assert cause.startswith(path)


def test_row_and_fields(kind_of, made):
    kind, namespace = kind_of("Namespace"), made("Namespace", name="shop")
    assert kind.cells(namespace, 1767323045 + 61) == ("shop", "Active", "61s")
    assert kind.fields(namespace) == {"status.phase": "Active"}
