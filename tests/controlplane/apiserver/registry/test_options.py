"""Options of writes and deletions: what is read, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.apiserver.authn import ANONYMOUS
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.negotiation import Accepted
from controlplane.apiserver.registry.options import delete_options, write_options
from controlplane.apiserver.request_info import parse_request_info
from kubeapi.status import StatusError

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


def request(method: str, query: dict[str, str], **more: Any) -> Request:
    return Request(
        info=parse_request_info(method, "/api/v1/namespaces/a/pods/p", query),
        query=query,
        user=ANONYMOUS,
        accepted=Accepted("application/json"),
        **more,
    )


@pytest.mark.parametrize(
    ("method", "query", "content_type", "said"),
    [
        ("PUT", {"fieldManager": "é" * 65}, "", 'UpdateOptions.meta.k8s.io "" is invalid: '
         "fieldManager: Too long: may not be more than 128 bytes"),
        ("POST", {"fieldManager": "a\tb"}, "", "CreateOptions"),
        ("POST", {"fieldManager": "é\n"}, "", "invalid character U+000A (at position 2)"),
        ("PUT", {"dryRun": "some"}, "", 'dryRun: Unsupported value: ["some"]: supported values: '
         '"All"'),
        ("PATCH", {"fieldValidation": "Maybe"}, MERGE, 'PatchOptions.meta.k8s.io "" is invalid: '
         'fieldValidation: Unsupported value: "Maybe"'),
        ("PATCH", {"force": "true"}, MERGE, "force: Forbidden: may not be specified for non-apply"),
        ("PATCH", {}, APPLY, "fieldManager: Required value: is required for apply patch"),
    ],
)  # fmt: skip
def test_options_of_a_write_that_make_no_sense(method, query, content_type, said):
    with pytest.raises(StatusError) as refused:
        write_options(request(method, query, content_type=content_type))
    assert refused.value.code == 422
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.32.0 (linux/amd64) kubernetes/9edcffc", "kubectl"),
        ("", "unknown"),
        ("/x", "unknown"),
        ("a\tb é/1", "ab é"),
        ("é" * 100, "é" * 64),
    ],
)
def test_who_writes_without_saying_so(user_agent, manager):
    assert write_options(request("PUT", {}, user_agent=user_agent)).manager == manager


@pytest.mark.parametrize(
    ("body", "query", "code", "said"),
    [
        ({"kind": "Pod"}, {}, 400, "Pod cannot be handled as a DeleteOptions"),
        ({"propagationPolicy": "Never"}, {}, 422, 'Unsupported value: "Never": supported values: '
         '"Foreground", "Background", "Orphan", "nil"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, {}, 422,
         "orphanDependents and deletionPropagation cannot be both set"),
        ({"dryRun": ["Some"]}, {}, 422, "dryRun: Unsupported value"),
        ({}, {"dryRun": "Some"}, 422, 'DeleteOptions.meta.k8s.io "" is invalid: dryRun'),
        ({}, {"gracePeriodSeconds": "soon"}, 400, "is no number"),
        ({"gracePeriodSeconds": 1 << 40}, {}, 400, "out of range"),
        ({"preconditions": "u"}, {}, 400, "must be a map"),
    ],
)  # fmt: skip
def test_options_of_a_deletion_that_make_no_sense(body, query, code, said):
    with pytest.raises(StatusError) as refused:
        delete_options(request("DELETE", query), body)
    assert refused.value.code == code
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("body", "query", "propagation", "grace_s", "dry_run"),
    [
        ({}, {}, "", None, False),
        ({}, {"propagationPolicy": "Orphan", "gracePeriodSeconds": "3"}, "Orphan", 3, False),
        ({}, {"orphanDependents": "false", "dryRun": "All"}, "Background", None, True),
        ({"orphanDependents": True}, {}, "Orphan", None, False),
        # Who sends a body has said everything in it.
        ({"gracePeriodSeconds": 1}, {"propagationPolicy": "Orphan"}, "", 1, False),
        ({"gracePeriodSeconds": -5, "dryRun": ["All"]}, {}, "", 1, True),
    ],
)
def test_options_of_a_deletion(body, query, propagation, grace_s, dry_run):
    options = delete_options(request("DELETE", query), body)
    assert (options.propagation, options.grace_s) == (propagation, grace_s)
    assert options.dry_run is dry_run
