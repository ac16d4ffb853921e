"""The hash names a template: stable, independent of key order, changed by a collision."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.deployment.template_hash import fnv1a, template_hash

TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "nginx"}]}}


@pytest.mark.parametrize(
    ("octets", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)]
)
def test_fnv1a_known_answers(octets, value):
    assert fnv1a(octets) == value


def test_key_order_and_our_own_label_do_not_matter():
    other = {
        "spec": {"containers": [{"image": "nginx"}]},
        "metadata": {"labels": {"pod-template-hash": "zzz", "app": "web"}},
    }
    assert template_hash(other, None) == template_hash(TEMPLATE, None)


def test_the_hash_does_not_change_between_versions():
    assert template_hash(TEMPLATE, None) == "7fc5df4c94"


def test_another_template_or_collision_count_has_another_hash():
    changed = {**TEMPLATE, "spec": {"containers": [{"image": "nginx:2"}]}}
    hashes = [
        template_hash(TEMPLATE, None),
        template_hash(TEMPLATE, 1),
        template_hash(TEMPLATE, 2),
        template_hash(changed, None),
    ]
    assert len(set(hashes)) == 4


def test_the_alphabet_spells_no_words():
    assert set(template_hash(TEMPLATE, 7)) <= set("bcdfghjklmnpqrstvwxz2456789")
