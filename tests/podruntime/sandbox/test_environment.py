"""Environments of containers, as os.environ behaves."""

from __future__ import annotations

import os

import pytest

from podruntime.images.process import Octets
from podruntime.sandbox.environment import RoutedEnvironment, RoutedOctets
from podruntime.sandbox.owner import CURRENT, Owner


@pytest.fixture
def environment():
    """The environment of a container with one variable, besides that of the machinery."""
    owner = Owner({"NAME": "web"}, Octets(), Octets())
    token = CURRENT.set(owner)
    yield RoutedEnvironment({"NAME": "the machine's"})
    CURRENT.reset(token)


def test_each_has_its_own(environment):
    environment["MORE"] = "x"
    assert dict(environment) == {"NAME": "web", "MORE": "x"}
    assert repr(environment) == "environ({'NAME': 'web', 'MORE': 'x'})"
    CURRENT.set(None)
    assert environment.copy() == {"NAME": "the machine's"}
    assert len(environment) == 1


def test_it_is_joined_as_a_dict_is(environment):
    assert environment | {"A": "1"} == {"NAME": "web", "A": "1"}
    assert {"NAME": "other", "A": "1"} | environment == {"NAME": "web", "A": "1"}
    environment |= {"A": "1"}
    environment |= (("B", "2"),)
    assert environment.copy() == {"NAME": "web", "A": "1", "B": "2"}
    with pytest.raises(TypeError):
        environment | (("A", "1"),)


def test_it_may_change_while_it_is_gone_through(environment):
    for name in environment:
        environment[f"{name}2"] = "x"
    assert list(environment) == ["NAME", "NAME2"]


def test_what_is_wrong_is_as_with_os_environ(environment):
    for action in (lambda: environment["NO"], lambda: environment.__delitem__("NO")):
        with pytest.raises(KeyError) as caught:
            action()
        assert caught.value.args == ("NO",)
        assert caught.value.__suppress_context__
    with pytest.raises(TypeError, match="str expected, not int"):
        environment["NAME"] = 1


def test_octets_are_the_same_variables(environment):
    octets = RoutedOctets(environment)
    assert dict(octets) == {b"NAME": b"web"}
    octets[b"RAW"] = b"\xff"
    assert environment["RAW"] == os.fsdecode(b"\xff")
    del octets[b"NAME"]
    assert list(environment) == ["RAW"]
    assert len(octets) == 1
