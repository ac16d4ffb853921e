import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeapi.selectors import (
    EVERYTHING,
    NOTHING,
    FieldRequirement,
    LabelSelector,
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "2", "example.com/x": "y"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("other!=x", True),
        ("app", True),
        ("!app", False),
        ("! other", True),
        ("app in (db, web)", True),
        ("app notin (db,web)", False),
        ("other notin (a)", True),
        ("other in (a)", False),
        ("tier>1", True),
        ("tier<2", False),
        ("other>1", False),
        ("app=web,tier=2", True),
        ("app=web,tier=3", False),
        ("example.com/x = y", True),
        ("app=", False),
        ("in=web", False),
        ("app in (web),!x", True),
    ],
)
def test_label_selector_texts(text, matches):
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    "text",
    ["=", "a=b,", ",a=b", "a in", "a in (", "a in b", "a=b c", "a>x", "-a=b", "a=b!", "a=(b)", "&"],
)
def test_what_is_no_label_selector(text):
    with pytest.raises(SelectorError):
        parse_label_selector(text)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_label_selector_objects(selector, matches):
    assert LabelSelector.from_object(selector).matches(LABELS) is matches


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Near"},
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["x"]},
    ],
)
def test_what_is_no_label_selector_object(expression):
    with pytest.raises(SelectorError):
        LabelSelector.from_object({"matchExpressions": [expression]})


def test_everything_and_nothing():
    assert EVERYTHING.matches_everything
    assert not NOTHING.matches_everything
    assert not NOTHING.matches({})
    assert LabelSelector.from_labels(None) is NOTHING
    assert LabelSelector.from_labels({"a": "b"}).matches({"a": "b"})


WORDS = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
TERMS = st.one_of(
    st.builds("{}={}".format, WORDS, WORDS),
    st.builds("{}!={}".format, WORDS, WORDS),
    st.builds("{} in ({},{})".format, WORDS, WORDS, WORDS),
    st.builds("{} notin ({})".format, WORDS, WORDS),
    st.builds("!{}".format, WORDS),
    WORDS,
    st.builds("{}>{}".format, WORDS, st.integers(0, 9)),
    st.builds("{}<{}".format, WORDS, st.integers(0, 9)),
)


@given(st.lists(TERMS, max_size=4), st.dictionaries(WORDS, WORDS, max_size=4))
def test_what_a_selector_says_of_itself_selects_the_same(terms, labels):
    selector = parse_label_selector(",".join(terms))
    again = parse_label_selector(str(selector))
    assert again.matches(labels) is selector.matches(labels)


@given(st.text(max_size=20))
def test_any_text_is_a_selector_or_an_error(text):
    for parse in (parse_label_selector, parse_field_selector):
        try:
            parse(text)
        except SelectorError:
            pass


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("spec.nodeName=a", True),
        ("spec.nodeName==a", True),
        ("spec.nodeName!=a", False),
        ("spec.nodeName=a,status.phase!=Failed", True),
        ("status.phase=", False),
    ],
)
def test_field_selector(text, matches):
    fields = {"spec.nodeName": "a", "status.phase": "Running"}
    assert parse_field_selector(text).matches(lambda name: fields.get(name, "")) is matches


def test_field_selector_escapes():
    selector = parse_field_selector(r"a=b\,c\=d\\e,f=g")
    assert selector.requirements[0] == FieldRequirement("a", "b,c=d\\e")
    assert parse_field_selector(str(selector)) == selector
    assert (selector.exact("f"), selector.exact("x")) == ("g", None)


@pytest.mark.parametrize("text", ["a", "=b", "a=b=c", "a=b,,c=d", "a=\\"])
def test_what_is_no_field_selector(text):
    with pytest.raises(SelectorError):
        parse_field_selector(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a notin b", "unable to parse requirement: found 'b' expected: '('"),
        ("a b", "found 'b', expected: ',' or 'end of string'"),
        ("a=b)", "found ')', expected: ',' or 'end of string'"),
    ],
)
def test_what_does_not_go_on_is_named(text, told):
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value) == told
