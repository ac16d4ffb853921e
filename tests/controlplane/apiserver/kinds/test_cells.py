from __future__ import annotations

import pytest

from controlplane.apiserver.kinds import cells

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 365 * 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (310, "5m10s"),
        (599, "9m59s"),
        (10 * MINUTE, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 61, "3h1m"),
        (8 * HOUR, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (3 * DAY + 4 * HOUR, "3d4h"),
        (8 * DAY + HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR + 3 * DAY, "2y3d"),
        (8 * YEAR + 3 * DAY, "8y"),
    ],
)
def test_human_duration_reads_as_kubectl_prints_it(seconds, text):
    assert cells.human_duration(seconds) == text


def test_since_nothing_or_nonsense_is_unknown():
    assert cells.since(None, 0) == cells.since("yesterday", 0) == "<unknown>"


def test_age_counts_from_creation():
    obj = {"metadata": {"creationTimestamp": "1970-01-01T00:00:10Z"}}
    assert cells.age(obj, 15) == "5s"


def test_labels_are_sorted():
    assert cells.labels({"b": "2", "a": "1"}) == "a=1,b=2"
    assert cells.labels(None) == "<none>"


def test_label_selector_shows_expressions():
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["b", "a"]}],
    }
    assert cells.label_selector(selector) == "app=web,tier in (a,b)"
    assert cells.label_selector({}) == cells.label_selector(None) == "<none>"


def test_first_few_counts_the_rest():
    assert cells.first_few(["a", "b", "c"], empty="-") == "a,b,c"
    assert cells.first_few(["a", "b", "c", "d", "e"], empty="-") == "a,b,c + 2 more..."
    assert cells.first_few([], empty="-") == "-"


def test_container_cells_list_names_and_images():
    template = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}
    assert cells.container_cells(template) == ("a,b", "x,y")
    assert cells.container_cells(None) == ("", "")


def test_a_selector_that_nobody_judged_is_shown_as_an_error():
    assert cells.label_selector({"matchExpressions": [{"key": "a", "operator": "x"}]}) == "<error>"
