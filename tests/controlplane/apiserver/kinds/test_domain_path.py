from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.domain_path import validate_domain_path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acme.io/foo/bar", None),
        ("", "p: Required value"),
        (
            "acme",
            'p: Invalid value: "acme": must be a domain-prefixed path (such as "acme.io/foo")',
        ),
        ("acme.io/", 'p: Invalid value: "acme.io/": must be a domain-prefixed path'),
        ("Acme/foo", 'p: Invalid value: "Acme": a lowercase RFC 1123 subdomain'),
        ("acme.io/ä", 'p: Invalid value: "ä": Invalid path (regex used for validation is'),
    ],
)
def test_names_below_domains(text, message):
    found = [str(cause) for cause in validate_domain_path(text, "p")]
    assert not found if message is None else (len(found) == 1 and found[0].startswith(message))
