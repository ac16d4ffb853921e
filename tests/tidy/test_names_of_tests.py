"""Tests have the same names in every process, whatever their parameters are made of."""

from __future__ import annotations

import os
import secrets

import pytest


@pytest.mark.parametrize("octets", [os.urandom(8), os.urandom(9)])
def test_octets_name_no_test(request: pytest.FixtureRequest, octets: bytes) -> None:
    assert request.node.name.endswith(("[octets0]", "[octets1]"))


@pytest.mark.parametrize("text", [secrets.token_urlsafe(200), "short"])
def test_long_texts_name_no_test(request: pytest.FixtureRequest, text: str) -> None:
    assert request.node.name.endswith(("[text]", "[short]"))
