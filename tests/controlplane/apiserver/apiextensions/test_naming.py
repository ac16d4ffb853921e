"""Upstream: controller/status/naming_controller_test.go and apiapproval, as tables."""

from __future__ import annotations

import pytest

from controlplane.apiserver.apiextensions import naming
from kubeapi.objects import condition


def definition(spec, accepted=None, group="bravo.com", **annotations):
    return {
        "metadata": {"name": "x", "annotations": annotations},
        "spec": {"group": group, "names": spec},
        "status": {"acceptedNames": accepted or {}},
    }


def names(plural="", singular="", kind="", list_kind="", *short):
    found = {"plural": plural, "singular": singular, "kind": kind, "listKind": list_kind}
    return {**found, **({"shortNames": list(short)} if short else {})}


FULL = names("alfa", "delta-singular", "echo-kind", "foxtrot-listkind", "golf", "hotel")


@pytest.mark.parametrize(
    ("asked", "had", "others", "verdict"),
    [
        (FULL, {}, [], ("True", "NoConflicts", "no conflicts found")),
        (FULL, FULL, [], ("True", "NoConflicts", "no conflicts found")),
        (FULL, {}, [names("alfa")], ("False", "PluralConflict", '"alfa" is already in use')),
        (
            FULL,
            {},
            [names("", "delta-singular")],
            ("False", "SingularConflict", '"delta-singular" is already in use'),
        ),
        (
            FULL,
            {},
            [names("golf"), names("hotel")],
            (
                "False",
                "ShortNamesConflict",
                '["golf" is already in use, "hotel" is already in use]',
            ),
        ),
        (
            FULL,
            {},
            [names(kind="echo-kind")],
            ("False", "KindConflict", '"echo-kind" is already in use'),
        ),
        (
            FULL,
            {},
            [names(list_kind="foxtrot-listkind")],
            ("False", "ListKindConflict", '"foxtrot-listkind" is already in use'),
        ),
        (FULL, FULL, [names("alfa")], ("True", "NoConflicts", "no conflicts found")),
    ],
)
def test_names(asked, had, others, verdict):
    crd = definition(asked, had)
    taken = naming.taken_by(definition({}, accepted) for accepted in others)
    status = naming.status_of(crd, taken, "now")
    found = condition({"status": status}, "NamesAccepted")
    assert (found["status"], found["reason"], found["message"]) == verdict
    established = condition({"status": status}, "Established")
    assert established["status"] == verdict[0]


def test_an_established_kind_keeps_what_it_had():
    crd = definition(names("new", "s", "K", "L"), names("old", "s", "K", "L"))
    crd["status"]["conditions"] = [
        {"type": "Established", "status": "True", "lastTransitionTime": "then"}
    ]
    status = naming.status_of(crd, naming.taken_by([definition({}, names("new"))]), "now")
    assert status["acceptedNames"]["plural"] == "old"
    assert condition({"status": status}, "Established")["status"] == "True"
    assert (
        naming.status_of({**crd, "status": status}, naming.taken_by([]), "later")["acceptedNames"][
            "plural"
        ]
        == "new"
    )


def test_names_that_are_not_asked_for_any_more_are_given_back():
    crd = definition(names("alfa", "s", "K", "L"), FULL | {"categories": ["all"]})
    accepted = naming.status_of(crd, naming.taken_by([]), "now")["acceptedNames"]
    assert "shortNames" not in accepted
    assert "categories" not in accepted


@pytest.mark.parametrize(
    ("approval", "status", "reason"),
    [
        ("https://example.com/pull/1", "True", "ApprovedAnnotation"),
        ("unapproved, mine", "False", "UnapprovedAnnotation"),
    ],
)
def test_approval(approval, status, reason):
    crd = definition(FULL, group="x.k8s.io", **{"api-approved.kubernetes.io": approval})
    found = condition(
        {"status": naming.status_of(crd, naming.taken_by([]), "now")},
        "KubernetesAPIApprovalPolicyConformant",
    )
    assert (found["status"], found["reason"]) == (status, reason)
