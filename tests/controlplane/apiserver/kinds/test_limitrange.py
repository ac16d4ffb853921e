"""Upstream's TestValidateLimitRange and TestSetDefaultLimitRangeItem as rows."""

from __future__ import annotations

import pytest

KIND = "LimitRange"


def test_a_container_may_ask_for_what_it_may_have(made):
    item = {"type": "Container", "max": {"cpu": "1.0"}, "min": {"memory": "1Mi"}}
    [filled] = made(KIND, {"spec": {"limits": [item]}})["spec"]["limits"]
    assert filled == {
        "type": "Container",
        "max": {"cpu": "1"},
        "min": {"memory": "1Mi"},
        "default": {"cpu": "1"},
        "defaultRequest": {"cpu": "1", "memory": "1Mi"},
    }


@pytest.mark.parametrize(
    "limits",
    [
        [],
        [{"type": "Pod", "max": {"cpu": "100m", "memory": "10000Mi"}, "min": {"cpu": "5m"},
          "maxLimitRequestRatio": {"cpu": "10"}}],
        [{"type": "Container", "max": {"cpu": "100m"}, "min": {"cpu": "5m"},
          "default": {"cpu": "50m"}, "defaultRequest": {"cpu": "10m"}}],
        [{"type": "PersistentVolumeClaim", "max": {"storage": "10Gi"}}],
        [{"type": "thirdparty.com/foo", "max": {"thirdparty.com/a": "1"}}],
    ],
)  # fmt: skip
def test_sound_ranges(wrong, limits):
    assert wrong(KIND, {"spec": {"limits": limits}}) == []


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"type": "foo"}, 'type: Invalid value: "foo": must be a standard limit type or fully qua'
                          "lified"),
        ({"type": "Pod", "default": {"cpu": "1"}},
         "default: Forbidden: may not be specified when `type` is 'Pod'"),
        ({"type": "Pod", "defaultRequest": {"cpu": "1"}},
         "defaultRequest: Forbidden: may not be specified when `type` is 'Pod'"),
        ({"type": "Pod", "max": {"cpu": "a"}},
         None),
        ({"type": "Container", "max": {"pods": "1"}},
         'max[pods]: Invalid value: "pods": must be a standard resource for containers'),
        ({"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}},
         'min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'),
        ({"type": "Container", "min": {"cpu": "5"}, "defaultRequest": {"cpu": "1"}},
         'defaultRequest[cpu]: Invalid value: "1": min value 5 is greater than default request '
         "value 1"),
        ({"type": "Container", "max": {"cpu": "2"}, "defaultRequest": {"cpu": "3"}},
         'defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than max '
         "value 2"),
        ({"type": "Container", "default": {"cpu": "8"}, "max": {"cpu": "2"},
          "defaultRequest": {"cpu": "1"}},
         'default[cpu]: Invalid value: "8": default value 8 is greater than max value 2'),
        ({"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}},
         'defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than '
         "default limit value 1"),
        ({"type": "Pod", "maxLimitRequestRatio": {"memory": "0.8"}},
         'maxLimitRequestRatio[memory]: Invalid value: "800m": ratio 800m is less than 1'),
        ({"type": "Pod", "maxLimitRequestRatio": {"memory": "10"}, "max": {"memory": "2048Mi"},
          "min": {"memory": "1024Mi"}},
         'maxLimitRequestRatio[memory]: Invalid value: "10": ratio 10 is greater than max/min = '
         "2.000000"),
        ({"type": "PersistentVolumeClaim"},
         "limits: Required value: either minimum or maximum storage value is required, but "
         "neither was provided"),
        ({"type": "Container", "default": {"a.b/c": "2"}, "defaultRequest": {"a.b/c": "1"}},
         'defaultRequest[a.b/c]: Invalid value: "1": default value 2 must equal to defaultRequest '
         "value 1 in a.b/c"),
    ],
)  # fmt: skip
def test_wrong_ranges(wrong, item, message):
    found = wrong(KIND, {"spec": {"limits": [item]}})
    if message is None:
        assert found[0].startswith('spec.limits[0].max[cpu]: Invalid value: "a"')
    else:
        assert f"spec.limits[0].{message}" in found


def test_a_type_stands_once(wrong):
    limits = [{"type": "Pod", "max": {"cpu": "1"}}] * 2
    assert wrong(KIND, {"spec": {"limits": limits}}) == [
        'spec.limits[1].type: Duplicate value: "Pod"'
    ]


def test_row(kind_of, made):
    assert kind_of(KIND).cells(made(KIND), 0) == ("web", "2026-01-02T03:04:05Z")
