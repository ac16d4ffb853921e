"""metrics-server's pkg/storage: node_test.go and pod_test.go, their cases by name."""

from __future__ import annotations

import pytest

from controlplane.apiserver.resource_metrics.points import Page, Point, Readings, Use, parse, use

BEGAN, MIB = 1_000.0, 1024 * 1024
WHOSE = ("ns1", "pod1", "container1")


def node(at: float, cpu_s: float, memory: float = MIB) -> Page:
    return Page(node=Point(at=at, cpu_s=cpu_s, working_set=memory))


def pod(at: float, started_at: float = BEGAN, **cpu_s: float) -> Page:
    page = node(at, 0.0)
    for name, seconds in cpu_s.items():
        page.containers["ns1", "pod1", name] = Point(at, seconds, 4 * MIB, started_at)
    return page


def readings(*pages: Page) -> Readings:
    made = Readings(resolution_s=15.0)
    for page in pages:
        made.take("node1", page)
    return made


def test_should_get_empty_metrics_when_not_stored_before():
    assert Readings(15.0).node("node1") is None
    assert readings(node(BEGAN + 15, 1.0)).node("node1") is None


def test_should_get_metrics_after_two_stores():
    made = readings(node(BEGAN + 10, 10.0), node(BEGAN + 20, 20.0, 5 * MIB))
    assert made.node("node1") == Use(BEGAN + 20, 10.0, 1.0, 5 * MIB)


def test_should_return_the_latest_of_three_stores():
    made = readings(node(BEGAN, 0.0), node(BEGAN + 10, 1.0), node(BEGAN + 20, 6.0))
    assert made.node("node1") == Use(BEGAN + 20, 10.0, 0.5, MIB)


def test_should_not_return_metrics_of_a_node_missing_in_the_latest_store():
    made = readings(node(BEGAN, 0.0), node(BEGAN + 10, 1.0))
    made.drop("node1")
    made.drop("node2")
    assert made.node("node1") is None
    made.take("node1", node(BEGAN + 30, 5.0))
    assert made.node("node1") is None, "one point says nothing"


def test_should_keep_what_it_has_when_the_same_is_stored_again():
    made = readings(node(BEGAN, 0.0), node(BEGAN + 10, 1.0), node(BEGAN + 10, 1.0))
    assert made.node("node1") == Use(BEGAN + 10, 10.0, 0.1, MIB)


def test_should_get_empty_metrics_when_a_counter_has_fallen():
    assert readings(node(BEGAN, 9.0), node(BEGAN + 10, 1.0)).node("node1") is None


def test_should_get_empty_metrics_when_the_node_is_gone():
    made = readings(node(BEGAN, 0.0), node(BEGAN + 10, 1.0))
    made.keep(["node2"])
    assert made.node("node1") is None
    made = readings(node(BEGAN, 0.0), node(BEGAN + 10, 1.0))
    made.forget()
    assert made.node("node1") is None


def test_should_get_pod_metrics_after_two_stores():
    made = readings(pod(BEGAN + 115, container1=1.0), pod(BEGAN + 125, container1=6.0))
    (found,) = made.pods("node1").values()
    assert found == {"container1": Use(BEGAN + 125, 10.0, 0.5, 4 * MIB)}


def test_should_get_pod_metrics_of_a_fresh_container():
    made = readings(pod(BEGAN + 12, container1=6.0))
    assert made.pods("node1") == {
        ("ns1", "pod1"): {"container1": Use(BEGAN + 12, 12, 0.5, 4 * MIB)}
    }


def test_should_get_empty_metrics_of_a_container_that_is_too_fresh():
    assert readings(pod(BEGAN + 9, container1=6.0)).pods("node1") == {}


def test_should_compare_a_restarted_container_with_its_own_start():
    first = pod(BEGAN + 100, container1=50.0)
    again = pod(BEGAN + 115, started_at=BEGAN + 103, container1=3.0)
    (found,) = readings(first, again).pods("node1").values()
    assert found["container1"].cores == pytest.approx(0.25)
    soon = pod(BEGAN + 115, started_at=BEGAN + 110, container1=3.0)
    assert readings(first, soon).pods("node1") == {}


def test_should_get_empty_metrics_when_a_container_is_missing():
    first = pod(BEGAN + 100, container1=1.0)
    second = pod(BEGAN + 110, container1=2.0)
    second.containers["ns1", "pod1", "container2"] = Point(BEGAN + 110, 1.0, MIB, BEGAN + 105)
    assert readings(first, second).pods("node1") == {}


def test_should_leave_out_a_container_that_has_ended():
    first = pod(BEGAN + 100, container1=1.0, container2=1.0)
    (found,) = readings(first, pod(BEGAN + 110, container1=2.0)).pods("node1").values()
    assert list(found) == ["container1"]


SAMPLES = (
    ("container_cpu_usage_seconds_total", 'container="container1",', "4.71e-05"),
    ("container_memory_working_set_bytes", 'container="container1",', "4.20e+06"),
    ("container_start_time_seconds", 'container="container1",', "1.63325e+09"),
    ("pod_cpu_usage_seconds_total", "", "4.67"),
)
PAGE = (
    "# TYPE container_cpu_usage_seconds_total counter\n"
    + "".join(
        f'{name}{{{container}namespace="ns1",pod="pod1"}} {value} 1633253809720\n'
        for name, container, value in SAMPLES
    )
    + "node_cpu_usage_seconds_total 357.35 1633253809720\n"
    + "node_memory_working_set_bytes 1.6e+09 1633253809720\n"
    + "resource_scrape_error 0\n"
)


def test_a_page_is_read():
    page = parse(PAGE)
    assert page.node == Point(1633253809.72, 357.35, 1.6e9)
    assert page.containers == {WHOSE: Point(1633253809.72, 4.71e-05, 4.2e6, 1.63325e9)}


@pytest.mark.parametrize(
    "text", ["", "x", "node_cpu_usage_seconds_total much 1", "<html>", "resource_scrape_error 1\n"]
)
def test_what_is_no_page_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_a_page_of_too_many_containers_is_refused():
    line = 'container_start_time_seconds{{container="c{}",namespace="n",pod="p"}} 1 1\n'
    with pytest.raises(ValueError, match="more than 10000 containers"):
        parse("".join(line.format(number) for number in range(10_001)))


def test_two_points_at_one_time_tell_nothing():
    assert use(Point(at=1.0), Point(at=1.0)) is None
