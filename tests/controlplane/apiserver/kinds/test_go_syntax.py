from __future__ import annotations

from controlplane.apiserver.kinds.go_syntax import go_label_selector, go_map, go_strings
from kubeapi import field


def test_maps_are_sorted_and_quoted():
    assert str(go_map({"b": "2", "a": "1"})) == 'map[string]string{"a":"1", "b":"2"}'
    assert str(go_map(None)) == "map[string]string(nil)"


def test_a_cause_shows_go_text_as_it_is():
    cause = field.invalid("spec.clusterIPs", go_strings(["10.96.0.1"]), "taken")
    assert cause.message == 'Invalid value: []string{"10.96.0.1"}: taken'


def test_label_selectors_show_both_halves():
    assert str(go_label_selector({"matchLabels": {"app": "web"}})) == (
        'v1.LabelSelector{MatchLabels:map[string]string{"app":"web"}, '
        "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"
    )
    rows = [{"key": "a", "operator": "In", "values": ["b"]}, {"key": "c", "operator": "Exists"}]
    assert str(go_label_selector({"matchExpressions": rows})) == (
        "v1.LabelSelector{MatchLabels:map[string]string(nil), "
        "MatchExpressions:[]v1.LabelSelectorRequirement{"
        'v1.LabelSelectorRequirement{Key:"a", Operator:"In", Values:[]string{"b"}}, '
        'v1.LabelSelectorRequirement{Key:"c", Operator:"Exists", Values:[]string(nil)}}}'
    )
