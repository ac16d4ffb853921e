import pytest

from kubeapi import field


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (field.required("a.b"), "a.b: Required value"),
        (field.required("a", "say it"), "a: Required value: say it"),
        (field.invalid("a", "x", "bad"), 'a: Invalid value: "x": bad'),
        (field.invalid("a", True, "bad"), "a: Invalid value: true: bad"),
        (field.invalid("a", {"b": 1}, "bad"), 'a: Invalid value: {"b":1}: bad'),
        (
            field.not_supported("a", "x", ["b", "c"]),
            'a: Unsupported value: "x": supported values: "b", "c"',
        ),
        (field.duplicate("a[1]", "x"), 'a[1]: Duplicate value: "x"'),
        (field.forbidden("a", "no"), "a: Forbidden: no"),
        (field.not_found("a", "x"), 'a: Not found: "x"'),
        (field.too_long("a", 63), "a: Too long: may not be more than 63 bytes"),
        (field.too_many("a", 9, 8), "a: Too many: 9: must have at most 8 items"),
        (field.wrong_type("a", "string", "no"), 'a: Invalid value: "string": no'),
    ],
)
def test_wording(cause, text):
    assert str(cause) == text
