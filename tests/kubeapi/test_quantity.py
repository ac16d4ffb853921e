from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeapi import quantity
from kubeapi.quantity import Format, QuantityError, canonical, milli, parse_quantity, value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("100m", Fraction(1, 10)),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("-3", -3),
        ("+3", 3),
        ("1Ki", 1024),
        ("1.5Gi", 3 << 29),
        ("2k", 2000),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("12e-1", Fraction(6, 5)),
        ("1n", Fraction(1, 10**9)),
        ("0.1n", Fraction(1, 10**9)),  # finer than a nano: rounded up
        (4, 4),
        (0.5, Fraction(1, 2)),
    ],
)
def test_parse(text, number):
    assert parse_quantity(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "1x", "1 Gi", "1KI", "--1", "1e", "1.2.3", "１", "1e9999", "9" * 5000]
)
def test_what_is_no_quantity(text):
    with pytest.raises(QuantityError):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1500k", "1500k"),
        ("1000k", "1M"),
        ("1e3", "1e3"),
        ("10e3", "10e3"),
        ("1000", "1k"),
        ("0Gi", "0"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("100", "100"),
    ],
)
def test_canonical(text, expected):
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "thousandths", "units"), [("1", 1000, 1), ("100m", 100, 1), ("1.0001", 1001, 2)]
)
def test_rounding_goes_up(text, thousandths, units):
    assert (milli(text), value(text)) == (thousandths, units)


@given(st.integers(-(10**18), 10**18), st.sampled_from(list(Format)))
def test_what_is_formatted_parses_to_the_same(number, how):
    for exact in (Fraction(number), Fraction(number, 10**9)):
        if how is Format.BINARY_SI and exact.denominator != 1:
            continue  # Binary quantities are whole.
        assert parse_quantity(quantity.format(exact, how)) == exact


@given(st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,6})?(Ki|Mi|Gi|m|u|n|k|M)?", fullmatch=True))
def test_the_canonical_text_is_its_own_canonical_text(text):
    assert canonical(canonical(text)) == canonical(text)
