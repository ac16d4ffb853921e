from cluster_facts import World, node_info, pod_info

from controlplane.scheduler.explanation import Explanations, decision


def decided(pod, nodes):
    return decision(pod, World(nodes).schedule(pod), "default-scheduler", 1, 5.0)


def test_a_choice_tells_what_every_plugin_gave_every_node_and_why_others_were_refused():
    nodes = [
        node_info("used", [pod_info("x", cpu="2", memory="4Gi")]),
        node_info("empty"),
        node_info("cordoned", unschedulable=True),
    ]
    told = decided(pod_info("a", cpu="1", memory="1Gi"), nodes).as_object()
    assert (told["pod"], told["node"], told["attempt"]) == ("ns/a", "empty", 1)
    assert told["refused"] == [
        {
            "node": "cordoned",
            "plugin": "NodeUnschedulable",
            "reasons": ["node(s) were unschedulable"],
        }
    ]
    scored = {row["node"]: row for row in told["scored"]}
    assert set(scored) == {"used", "empty"}
    for row in scored.values():
        assert row["total"] == sum(row["plugins"].values())
    assert (
        scored["empty"]["plugins"]["NodeResourcesFit"]
        > scored["used"]["plugins"]["NodeResourcesFit"]
    )


def test_a_pod_that_waits_tells_whom_it_would_have_end():
    pod = pod_info("a", cpu="2", priority=5)
    told = decided(pod, [node_info("n", [pod_info("low", cpu="1")], cpu="2")]).as_object()
    assert (told["node"], told["nominated"], told["victims"]) == ("", "n", ["ns/low"])
    assert told["message"] == "0/1 nodes are available: 1 Insufficient cpu."


def test_the_last_decision_counts_and_the_oldest_goes_when_there_are_too_many():
    kept = Explanations(entries_max=2_000)
    nodes = [node_info(f"n{i}", cpu="0") for i in range(10)]
    for i in range(210):
        kept.note(decided(pod_info(f"p{i}", cpu="1"), nodes))
        kept.note(decided(pod_info(f"p{i}", cpu="1"), nodes))
    assert kept.get("ns/p0") is None
    assert kept.get("ns/p209").attempt == 1
    kept.forget("ns/p209")
    assert kept.get("ns/p209") is None
