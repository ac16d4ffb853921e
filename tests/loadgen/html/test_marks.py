"""Events on the axis: hundreds of them must not become a smear."""

from __future__ import annotations

import itertools
import random

from loadgen.html.chart import CHARACTER, LEFT, RIGHT
from loadgen.html.marks import LANES, MERGE, OTHER_LANE, Noted, lane_of, marks


def noted(x, what, subject="node-2"):
    return Noted(float(x), x / 10, what, subject)


def test_an_event_stands_in_the_lane_of_its_kind_with_its_subject():
    [mark] = marks([noted(100, "killed")], RIGHT)
    assert (mark.lane, mark.label, mark.count) == ("faults", "killed node-2", 1)


def test_lanes_come_in_the_order_of_a_failover():
    found = marks([noted(300, "pod-ready"), noted(200, "not-ready"), noted(100, "killed")], RIGHT)
    assert [mark.lane for mark in found] == ["faults", "nodes", "pods"]


def test_events_that_would_cover_each_other_become_one_with_a_count():
    close = [noted(100, "programmed"), noted(103, "programmed"), noted(109, "programmed")]
    found = marks([*close, noted(300, "programmed")], RIGHT)
    assert [(mark.x, mark.count) for mark in found] == [(100, 3), (300, 1)]
    assert found[0].label == "programmed ×3 node-2"


def test_a_mark_of_several_kinds_names_what_came_first():
    whats = ["evicted", "evicted", "pod-created", "scheduled", "pod-started"]
    [mark] = marks([noted(100, what, what) for what in whats], RIGHT)
    assert mark.label == "evicted ×2"


def test_a_label_gives_way_to_the_next_mark_and_to_the_edge():
    beside = marks([noted(100, "killed"), noted(150, "start"), noted(RIGHT - 5, "killed")], RIGHT)
    assert [mark.label for mark in beside] == ["", "start node-2", ""]
    roomy = marks([noted(100, "killed"), noted(170, "start")], RIGHT)
    assert roomy[0].label == "killed"


def test_hundreds_of_events_leave_marks_and_labels_that_do_not_touch():
    rng = random.Random(3)
    whats = [what for lane in LANES.values() for what in lane]
    events = [noted(rng.uniform(LEFT, RIGHT), rng.choice(whats)) for _ in range(900)]
    found = marks(events, RIGHT)
    assert sum(mark.count for mark in found) == 900
    for lane in LANES:
        row = [mark for mark in found if mark.lane == lane]
        for mark, following in itertools.pairwise(row):
            assert following.x - mark.x >= max(MERGE, len(mark.label) * CHARACTER)


def test_an_unknown_note_has_a_lane_too():
    assert lane_of("comet") == OTHER_LANE
    assert [mark.lane for mark in marks([noted(1, "comet")], RIGHT)] == [OTHER_LANE]
