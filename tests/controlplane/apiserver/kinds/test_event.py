from __future__ import annotations

BODY = {
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web-1", "uid": "7"},
    "reason": "Started",
    "type": "Normal",
    "message": " Started container web\n",
    "source": {"component": "kubelet", "host": "node-1"},
    "firstTimestamp": "2026-01-02T03:04:05Z",
    "lastTimestamp": "2026-01-02T03:05:05Z",
    "count": 3,
}
NOW = 1767323045 + 120


def test_row_says_what_happened_to_whom(kind_of, made):
    assert kind_of("Event").cells(made("Event", BODY, "web-1.1"), NOW) == (
        "60s",
        "Normal",
        "Started",
        "pod/web-1",
        "",
        "kubelet, node-1",
        "Started container web",
        "2m",
        3,
        "web-1.1",
    )


def test_row_of_a_series_takes_its_count_and_time(kind_of, made):
    series = {"count": 9, "lastObservedTime": "2026-01-02T03:05:55.000001Z"}
    body = {**BODY, "series": series, "eventTime": "2026-01-02T03:04:05.000000Z"}
    row = kind_of("Event").cells(made("Event", body), NOW)
    assert (row[0], row[8]) == ("9s", 9)


def test_row_without_times_is_unknown(kind_of, made):
    body = {"involvedObject": {"kind": "Node"}, "reportingComponent": "scheduler"}
    row = kind_of("Event").cells(made("Event", body), NOW)
    assert (row[0], row[3], row[5], row[8]) == ("<unknown>", "node", "scheduler", 1)


def test_fields_for_describe(kind_of, made):
    fields = kind_of("Event").fields(made("Event", BODY))
    assert fields["involvedObject.name"] == "web-1"
    assert fields["involvedObject.uid"] == "7"
    assert fields["source"] == "kubelet"
    assert fields["reason"] == "Started"


def test_events_live_where_their_object_lives(wrong):
    assert wrong("Event", BODY) == []
    assert wrong("Event", {"involvedObject": {"kind": "Node", "name": "node-1"}}) == []
    elsewhere = {"involvedObject": {"kind": "Pod", "namespace": "kube-system", "name": "a"}}
    assert wrong("Event", elsewhere) == [
        'involvedObject.namespace: Invalid value: "kube-system": does not match event.namespace'
    ]
