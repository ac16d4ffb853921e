"""Regular expressions of paths: what they mean, and that none of them can stop the controller."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingress_objects import CLASSES, ingress, path, rule

from ingresscontroller.pattern import OCTETS_MAX, BadPattern, Pattern
from ingresscontroller.translation import translate

#: The longest target that a request may have (`message`).
PATH_MAX = 8 * 1024
#: A backtracking engine needs hours to years for the first ones, seconds for the last ones.
EVIL = [
    "(a+)+$", "(a|a)*$", "(a|aa)+$", "(a*)*b", "(.*)*x", "([a-z]+)*!x", "(x+x+)+y", "(a|a?)+$",
    "(.*a){30}x", "(?:a?){60}a{60}x", "((a*)*)*$", "(a+)*(a+)*(a+)*$", "(\\w+\\d*)*;",
    ".*.*.*.*.*.*z", "a*a*a*a*a*a*b", "(.*)(.*)(.*)(.*)(.*)(.*)z", "([a-zA-Z0-9])(([a-z.-]?)*)*@",
]  # fmt: skip


@pytest.mark.parametrize("expression", EVIL)
@pytest.mark.parametrize("text", ["a", "ax", "xa1", "x"])
def test_an_evil_expression_costs_what_any_other_does(expression, text):
    pattern = Pattern(f"/{expression}")
    asked = "/" + text * ((PATH_MAX - 2) // len(text)) + "!"
    pattern.fits(asked)  # The automaton is made by what is asked first.
    began = time.process_time()
    pattern.fits(asked)
    pattern.groups(asked)
    assert time.process_time() - began < 0.25


@pytest.mark.parametrize(
    "refused",
    [
        "/(a", "/a**", "/[z-a]", "/\\", "/(?=a)", "/(?!a)", "/(?<=a)b", "/(a)\\1", "/a{1001}",
        "/(?>a+)", "/((a{100}){100}){100}", "/" + "a" * OCTETS_MAX,
        "/" + "é" * (OCTETS_MAX // 2),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_with_a_reason(refused):
    with pytest.raises(BadPattern, match=r"\w"):
        Pattern(refused)


@pytest.mark.parametrize(
    ("expression", "asked", "groups"),
    [
        ("/a", "/abc", ()), ("/A(.)", "/aB", (b"B",)), ("/a$", "/ab", None), ("/b", "/a/b", None),
        ("/(a)|/(b)", "/b", (b"", b"b")), ("/é(.*)", "/éa\udcff\n", (b"a\xff",)),
        ("/(?i)x(\\d+)", "/X12", (b"12",)), ("/(.+?)/", "/a/b/", (b"a",)),
    ],
)  # fmt: skip
def test_a_path_is_matched_from_its_beginning_octet_by_octet(expression, asked, groups):
    pattern = Pattern(expression)
    assert pattern.groups(asked) == groups
    assert pattern.fits(asked) is (groups is not None)


SIMPLE = st.recursive(
    st.sampled_from(["a", "b", "/", ".", "[ab]", "[^a]", "\\w", "a?", "b*", "(a)"]),
    lambda each: st.one_of(
        st.builds("{}{}".format, each, each),
        st.builds("(?:{}|{})".format, each, each),
        st.builds("({})".format, each),
        st.builds("(?:{})?".format, each),
    ),
    max_leaves=6,
)


@given(SIMPLE, st.text("ab/A", max_size=8))
def test_simple_expressions_mean_what_they_mean_elsewhere(expression, asked):
    found = re.compile(expression, re.IGNORECASE).match(asked)
    assert Pattern(expression).fits(asked) is (found is not None)
    if found is not None:
        assert Pattern(expression).groups(asked) == tuple(
            (each or "").encode() for each in found.groups()
        )


def test_a_path_that_cannot_be_matched_in_bounds_is_left_out_and_told():
    regex = {"use-regex": "true"}
    loose = "ImplementationSpecific"
    made = translate(
        [ingress("web", rule("a.example", path("/(?!x).*", "web", loose)), annotations=regex)],
        CLASSES,
    )
    assert made.table.match("a.example", "/y") is None
    ((_, text),) = made.wrong
    assert text == "path '/(?!x).*' is left out: invalid perl operator: (?!"
