"""What a failure means: TestMatchPodFailurePolicy's cases, by their meaning."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.job.failure_policy import Match, match

DISRUPTED = {"type": "DisruptionTarget", "status": "True"}


def job(*rules):
    return {"spec": {"podFailurePolicy": {"rules": list(rules)}}}


def on_codes(action, operator, *values, container=None):
    codes = {"operator": operator, "values": list(values)}
    if container:
        codes["containerName"] = container
    return {"action": action, "onExitCodes": codes}


def on_conditions(action, *patterns):
    return {"action": action, "onPodConditions": list(patterns)}


def pod(*codes, init=(), conditions=()):
    def ended(names, codes):
        return [
            {"name": name, "state": {"terminated": {"exitCode": code}} if code is not None else {}}
            for name, code in zip(names, codes, strict=False)
        ]

    status = {
        "containerStatuses": ended(("main", "side"), codes),
        "initContainerStatuses": ended(("init",), init),
        "conditions": list(conditions),
    }
    return {"metadata": {"name": "mypod", "namespace": "default"}, "status": status}


@pytest.mark.parametrize(
    ("name", "rules", "one", "action"),
    [
        ("unknown action for rule matching by exit codes, skip", [], pod(2), ""),
        ("ignore rule matched for exit codes", [on_codes("Ignore", "In", 1, 2, 3)], pod(2),
         "Ignore"),
        ("FailJob rule matched for exit codes", [on_codes("FailJob", "In", 1, 2, 3)], pod(2),
         "FailJob"),
        ("successful containers are skipped by the rules",
         [on_codes("FailJob", "NotIn", 111)], pod(0, 0, init=(0,)), ""),
        ("pod failure policy with NotIn operator and value 0",
         [on_codes("Ignore", "NotIn", 0)], pod(1), "Ignore"),
        ("FailIndex rule matched for exit codes", [on_codes("FailIndex", "In", 1)], pod(1),
         "FailIndex"),
        ("container that has not terminated is passed over",
         [on_codes("FailJob", "In", 2)], pod(None, 2), "FailJob"),
        ("no rule matched for exit codes", [on_codes("FailJob", "In", 2)], pod(42), ""),
        ("rule restricted to container", [on_codes("FailJob", "In", 2, container="side")],
         pod(2, 3), ""),
        ("rule restricted to container, matched",
         [on_codes("FailJob", "In", 3, container="side")], pod(2, 3), "FailJob"),
        ("init containers are asked, too", [on_codes("FailJob", "In", 4)], pod(init=(4,)),
         "FailJob"),
        ("the first rule that matches decides",
         [on_codes("Count", "In", 2), on_codes("FailJob", "In", 2)], pod(2), "Count"),
        ("ignore rule matched for pod conditions", [on_conditions("Ignore", DISRUPTED)],
         pod(1, conditions=[DISRUPTED]), "Ignore"),
        ("no rule matched: another status of the condition",
         [on_conditions("Ignore", DISRUPTED)],
         pod(1, conditions=[{"type": "DisruptionTarget", "status": "False"}]), ""),
        ("exit codes come first",
         [on_conditions("Ignore", {"type": "X", "status": "True"}), on_codes("FailJob", "In", 9)],
         pod(9, conditions=[DISRUPTED]), "FailJob"),
    ],
)  # fmt: skip
def test_match_pod_failure_policy(name, rules, one, action):
    found = match(job(*rules), one)
    assert (found.action, found.counts) == (action, action != "Ignore"), name


def test_words():
    found = match(job(on_codes("FailJob", "In", 2)), pod(2))
    text = "Container main for pod default/mypod failed with exit code 2"
    assert found == Match("FailJob", f"{text} matching FailJob rule at index 0")
    found = match(job(on_conditions("FailJob", DISRUPTED)), pod(conditions=[DISRUPTED]))
    text = "Pod default/mypod has condition DisruptionTarget"
    assert found == Match("FailJob", f"{text} matching FailJob rule at index 0")


def test_no_policy_counts_every_failure():
    assert match({"spec": {}}, pod(1)) == Match()
