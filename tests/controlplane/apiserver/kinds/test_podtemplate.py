from __future__ import annotations

import copy

TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i:1"}]},
}


def test_the_template_is_judged_and_counted(wrong, made, update):
    assert wrong("PodTemplate", {"template": TEMPLATE}) == []
    assert wrong("PodTemplate", {}) == ["template.spec.containers: Required value"]
    old = made("PodTemplate", {"template": TEMPLATE})
    new = copy.deepcopy(old)
    new["template"]["spec"]["containers"][0]["image"] = "i:2"
    assert update("PodTemplate", new, old) == []
    assert (old["metadata"]["generation"], new["metadata"]["generation"]) == (1, 2)


def test_row(kind_of, made):
    template = made("PodTemplate", {"template": TEMPLATE})
    assert kind_of("PodTemplate").cells(template, 0) == ("web", "c", "i:1", "a=b")
