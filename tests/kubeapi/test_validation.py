import pytest

from kubeapi import validation

OK = ""


@pytest.mark.parametrize(
    ("rule", "value", "wrong"),
    [
        (validation.dns1123_label, "a-1", OK),
        (validation.dns1123_label, "1", OK),
        (validation.dns1123_label, "a" * 64, "must be no more than 63 characters"),
        (validation.dns1123_label, "a.b", "must not contain dots"),
        (validation.dns1123_label, "A", "a lowercase RFC 1123 label must consist of"),
        (validation.dns1123_label, "", "a lowercase RFC 1123 label must consist of"),
        (validation.dns1123_label, "a\n", "a lowercase RFC 1123 label must consist of"),
        (validation.dns1123_subdomain, "a.b-c.d", OK),
        (validation.dns1123_subdomain, "a..b", "a lowercase RFC 1123 subdomain must consist of"),
        (validation.dns1123_subdomain, "a" * 254, "must be no more than 253 characters"),
        (validation.wildcard_dns1123_subdomain, "*.example.com", OK),
        (validation.wildcard_dns1123_subdomain, "*", "a wildcard DNS-1123 subdomain must start"),
        (validation.wildcard_dns1123_subdomain, "a.*.com", "a wildcard DNS-1123 subdomain must"),
        (validation.wildcard_dns1123_subdomain, "*.*.com", "a wildcard DNS-1123 subdomain must"),
        (validation.dns1035_label, "web-1", OK),
        (validation.dns1035_label, "1web", "a DNS-1035 label must consist of"),
        (validation.qualified_name, "example.com/Name_1.x", OK),
        (validation.qualified_name, "name", OK),
        (validation.qualified_name, "/name", "prefix part must be non-empty"),
        (validation.qualified_name, "a/", "name part must be non-empty"),
        (validation.qualified_name, "A/b", "prefix part a lowercase RFC 1123 subdomain"),
        (validation.qualified_name, "a/b/c", "a qualified name must consist of"),
        (validation.qualified_name, "-a", "name part must consist of"),
        (validation.qualified_name, "a" * 64, "name part must be no more than 63 characters"),
        (validation.label_value, "", OK),
        (validation.label_value, "a.b_C", OK),
        (validation.label_value, "a ", "a valid label must be an empty string"),
        (validation.label_value, "a" * 64, "must be no more than 63 characters"),
        (validation.port_number, 1, OK),
        (validation.port_number, 65535, OK),
        (validation.port_number, 0, "must be between 1 and 65535, inclusive"),
        (validation.port_number, 65536, "must be between 1 and 65535, inclusive"),
        (validation.port_name, "http-2", OK),
        (validation.port_name, "a" * 16, "must be no more than 15 characters"),
        (validation.port_name, "80", "must contain at least one letter (a-z)"),
        (validation.port_name, "a--b", "must not contain consecutive hyphens"),
        (validation.port_name, "-a", "must not begin or end with a hyphen"),
        (validation.port_name, "HTTP", "must contain only alpha-numeric characters"),
        (validation.env_var_name, "MY_VAR.x", OK),
        (validation.env_var_name, "1A", "a valid environment variable name"),
        (validation.config_map_key, "app.conf", OK),
        (validation.config_map_key, "..x", "must not start with '..'"),
        (validation.config_map_key, ".", "must not be '.'"),
        (validation.config_map_key, "a/b", "a valid config key must consist of"),
    ],
)
def test_rules(rule, value, wrong):
    messages = rule(value)
    if wrong:
        assert messages
        assert messages[0].startswith(wrong)
    else:
        assert messages == []


def test_maps_say_which_path():
    causes = validation.validate_labels({"a/": "x", "ok": "no good"}, "metadata.labels")
    assert {cause.field for cause in causes} == {"metadata.labels"}
    assert len(causes) == 3
    causes = validation.validate_annotations({"A": "x" * 300_000}, "metadata.annotations")
    assert [cause.type for cause in causes] == ["FieldValueTooLong"]
    (cause,) = validation.validate_name("A", "metadata.name", validation.dns1123_label)
    assert str(cause).startswith('metadata.name: Invalid value: "A": a lowercase RFC 1123 label')
