"""Names, labels and ports: upstream's rules in upstream's words (apimachinery `util/validation`).

Every function returns a list of messages; an empty list means that the value is valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from kubeapi import field
from kubeapi.status import Cause

DNS1123_LABEL_MAX: Final = 63
DNS1123_SUBDOMAIN_MAX: Final = 253
QUALIFIED_NAME_MAX: Final = 63
LABEL_VALUE_MAX: Final = 63
PORT_NAME_MAX: Final = 15
ANNOTATIONS_MAX: Final = 256 * 1024

Messages = list[str]

_DNS1123_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS1123_SUBDOMAIN: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_WILDCARD_DNS1123_SUBDOMAIN: Final = re.compile(rf"\*\.{_DNS1123_SUBDOMAIN.pattern}")
_DNS1035_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_ENV_VAR_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_HTTP_HEADER_NAME: Final = re.compile(r"[-A-Za-z0-9]+")
_CONFIG_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME: Final = re.compile(r"[-a-z0-9]+")


def _too_long(length_max: int) -> str:
    return f"must be no more than {length_max} characters"


def _wording(text: str, pattern: re.Pattern[str], *examples: str) -> str:
    offered = ", or ".join(f"'{example}'" for example in examples)
    return f"{text} (e.g. {offered}, regex used for validation is '{pattern.pattern}')"


def dns1123_label(value: str) -> Messages:
    """Judge a name of at most 63 characters that DNS takes as a label (RFC 1123)."""
    wrong = [_too_long(DNS1123_LABEL_MAX)] if len(value) > DNS1123_LABEL_MAX else []
    if not _DNS1123_LABEL.fullmatch(value):
        if _DNS1123_SUBDOMAIN.fullmatch(value):
            return [*wrong, "must not contain dots"]
        text = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
            " and must start and end with an alphanumeric character"
        )
        wrong.append(_wording(text, _DNS1123_LABEL, "my-name", "123-abc"))
    return wrong


def dns1123_subdomain(value: str) -> Messages:
    """Judge a name of at most 253 characters, labels joined by dots (RFC 1123)."""
    wrong = [_too_long(DNS1123_SUBDOMAIN_MAX)] if len(value) > DNS1123_SUBDOMAIN_MAX else []
    if not _DNS1123_SUBDOMAIN.fullmatch(value):
        text = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
            " '-' or '.', and must start and end with an alphanumeric character"
        )
        wrong.append(_wording(text, _DNS1123_SUBDOMAIN, "example.com"))
    return wrong


def wildcard_dns1123_subdomain(value: str) -> Messages:
    """Judge `*.` and a subdomain: hosts of Ingresses."""
    wrong = [_too_long(DNS1123_SUBDOMAIN_MAX)] if len(value) > DNS1123_SUBDOMAIN_MAX else []
    if not _WILDCARD_DNS1123_SUBDOMAIN.fullmatch(value):
        text = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain,"
            " which must consist of lower case alphanumeric characters, '-' or '.' and end with an"
            " alphanumeric character"
        )
        wrong.append(_wording(text, _WILDCARD_DNS1123_SUBDOMAIN, "*.example.com"))
    return wrong


def dns1035_label(value: str) -> Messages:
    """Judge a label that begins with a letter (RFC 1035): names of Services."""
    wrong = [_too_long(DNS1123_LABEL_MAX)] if len(value) > DNS1123_LABEL_MAX else []
    if not _DNS1035_LABEL.fullmatch(value):
        text = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-',"
            " start with an alphabetic character, and end with an alphanumeric character"
        )
        wrong.append(_wording(text, _DNS1035_LABEL, "my-name", "abc-123"))
    return wrong


def qualified_name(value: str) -> Messages:
    """Judge a key of labels, annotations or resources: `prefix/name` or `name`."""
    prefix, slash, name = value.rpartition("/")
    wrong: Messages = []
    if slash:
        if not prefix:
            wrong.append("prefix part must be non-empty")
        else:
            wrong += [f"prefix part {message}" for message in dns1123_subdomain(prefix)]
        if "/" in prefix:
            return [_qualified_wording("a qualified name")]
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > QUALIFIED_NAME_MAX:
        wrong.append(f"name part {_too_long(QUALIFIED_NAME_MAX)}")
    if not _QUALIFIED_NAME.fullmatch(name):
        wrong.append(_qualified_wording("name part"))
    return wrong


def _qualified_wording(what: str) -> str:
    text = (
        f"{what} must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
        " with an alphanumeric character"
    )
    said = _wording(text, _QUALIFIED_NAME, "MyName", "my.name", "123-abc")
    if what == "name part":
        return said
    return f"{said} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"


def label_value(value: str) -> Messages:
    wrong = [_too_long(LABEL_VALUE_MAX)] if len(value) > LABEL_VALUE_MAX else []
    if not _LABEL_VALUE.fullmatch(value):
        text = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-',"
            " '_' or '.', and must start and end with an alphanumeric character"
        )
        wrong.append(_wording(text, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return wrong


def port_number(value: int) -> Messages:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> Messages:
    """Judge the name of a container's port (an IANA service name)."""
    wrong: Messages = []
    if len(value) > PORT_NAME_MAX:
        wrong.append(f"must be no more than {PORT_NAME_MAX} characters")
    if not _PORT_NAME.fullmatch(value):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in value:
        wrong.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def env_var_name(value: str) -> Messages:
    if _ENV_VAR_NAME.fullmatch(value) and value not in (".", ".."):
        return []
    text = (
        "a valid environment variable name must consist of alphabetic characters, digits, '_',"
        " '-', or '.', and must not start with a digit"
    )
    return [_wording(text, _ENV_VAR_NAME, "my.env-name", "MY_ENV.NAME", "MyEnvName1")]


def http_header_name(value: str) -> Messages:
    if _HTTP_HEADER_NAME.fullmatch(value):
        return []
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [_wording(text, _HTTP_HEADER_NAME, "X-Header-Name")]


def config_map_key(value: str) -> Messages:
    """Judge a key of a ConfigMap or Secret."""
    wrong = [_too_long(DNS1123_SUBDOMAIN_MAX)] if len(value) > DNS1123_SUBDOMAIN_MAX else []
    if not _CONFIG_KEY.fullmatch(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        wrong.append(_wording(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    elif value in (".", "..") or value.startswith(".."):
        wrong.append(f"must not be '{value}'" if len(value) < 3 else "must not start with '..'")
    return wrong


def validate_labels(values: Mapping[str, str], path: str) -> list[Cause]:
    """Judge a map of labels."""
    causes = []
    for key, value in values.items():
        causes += [field.invalid(path, key, message) for message in qualified_name(key)]
        causes += [field.invalid(path, value, message) for message in label_value(value)]
    return causes


def validate_annotations(values: Mapping[str, str], path: str) -> list[Cause]:
    """Judge a map of annotations: their keys, and their size together."""
    causes = [
        field.invalid(path, key, message)
        for key in values
        for message in qualified_name(key.lower())
    ]
    if sum(len(key) + len(value) for key, value in values.items()) > ANNOTATIONS_MAX:
        causes.append(field.too_long(path, ANNOTATIONS_MAX))
    return causes


def validate_name(value: str, path: str, rule: Callable[[str], Messages]) -> list[Cause]:
    """Judge *value* by *rule* and say what is wrong as causes."""
    return [field.invalid(path, value, message) for message in rule(value)]
