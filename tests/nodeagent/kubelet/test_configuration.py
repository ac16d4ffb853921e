"""KubeletConfiguration (upstream: apis/config/validation/validation_test.go)."""

import pytest

from nodeagent.kubelet.configuration import BadConfiguration, KubeletOptions, PriorityGrace, parse
from nodeagent.kubelet.durations import parse_duration

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"


def test_nothing_means_upstreams_defaults():
    options = parse("")
    assert options == KubeletOptions()
    assert [each.signal for each in options.thresholds][:2] == [
        "memory.available",
        "nodefs.available",
    ]
    assert options.shutdown_s == 30


def test_what_is_said_is_understood_and_what_has_no_effect_may_stand_there():
    options = parse(
        HEAD
        + "cgroupDriver: systemd\nclusterDNS: [10.96.0.10]\nmaxPods: 20\n"
        + "evictionHard: {memory.available: 200Mi}\n"
        + "evictionPressureTransitionPeriod: 1m30s\n"
        + "systemReserved: {cpu: 500m}\nkubeReserved: {cpu: '1', memory: 1Gi}\n"
        + "shutdownGracePeriod: 40s\nshutdownGracePeriodCriticalPods: 15s\n"
        + "registerWithTaints: [{key: gpu, value: 'yes', effect: NoSchedule}]\n"
    )
    assert [each.signal for each in options.thresholds] == ["memory.available"]
    assert options.eviction_transition_s == 90
    assert {name: float(amount) for name, amount in options.reserved.items()} == {
        "cpu": 1.5,
        "memory": float(1 << 30),
    }
    assert options.shutdown == (
        PriorityGrace(priority=0, grace_s=25),
        PriorityGrace(priority=2_000_000_000, grace_s=15),
    )
    assert (options.pods_max, options.taints[0]["key"]) == (20, "gpu")


def test_shutdown_by_priority_is_ordered():
    rows = "shutdownGracePeriodByPodPriority:\n"
    rows += "- {priority: 100, shutdownGracePeriodSeconds: 10}\n"
    rows += "- {priority: 0, shutdownGracePeriodSeconds: 60}\n"
    assert [each.priority for each in parse(HEAD + rows).shutdown] == [0, 100]
    assert parse(HEAD + "shutdownGracePeriod: 0s\n").shutdown == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no YAML"),
        ("maxPods: 3", "has no kind"),
        (HEAD + "evictHard: {}", "evictHard"),
        (HEAD + "evictionHard: {cpu: '1'}", "unsupported eviction signal cpu"),
        (HEAD + "imageGCHighThresholdPercent: 70", "must be greater"),
        (HEAD + "shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 20s", "less than"),
        (HEAD + "shutdownGracePeriod: ten", "invalid duration"),
        (
            HEAD + "shutdownGracePeriod: 1s\n"
            "shutdownGracePeriodByPodPriority: [{priority: 1, shutdownGracePeriodSeconds: 1}]",
            "exclude each other",
        ),
        (HEAD + "systemReserved: {gpu: '1'}", "cannot reserve gpu"),
        (HEAD + "systemReserved: {cpu: lots}", "quantities must match"),
        (HEAD + "systemReserved: {cpu: '-1'}", "negative"),
        (HEAD + "registerWithTaints: [{key: a}]", "registerWithTaints"),
        (HEAD + "maxPods: 0", "maxPods"),
        (HEAD + "imageMinimumGCAge: -1s", "must not be negative"),
        ("[]", "Expected"),
    ],
    ids=["yaml", "kind", "unknown", "signal", "percent", "critical", "duration", "both", "resource",
         "quantity", "negative", "taint", "pods", "age", "list"],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(text, why):
    with pytest.raises(BadConfiguration, match=why) as raised:
        parse(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("5s", 5), ("1h15m30.5s", 4530.5), ("-300ms", -0.3), (".5s", 0.5), ("1µs", 1e-6)],
)
def test_durations_are_gos(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s ", "--1s", "1s" * 40])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)
