"""Names such as `acme.io/foo`: a domain and a path below it (IsDomainPrefixedPath)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kubeapi import field, validation
from kubeapi.status import Cause

_PATH: Final = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
_NO_PATH: Final = 'must be a domain-prefixed path (such as "acme.io/foo")'


def validate_domain_path(text: str, path: str) -> Iterator[Cause]:
    if not text:
        yield field.required(path)
        return
    host, _, rest = text.partition("/")
    if not host or not rest:
        yield field.invalid(path, text, _NO_PATH)
        return
    for message in validation.dns1123_subdomain(host):
        yield field.invalid(path, host, message)
    if not _PATH.fullmatch(rest):
        detail = f"Invalid path (regex used for validation is '{_PATH.pattern}')"
        yield field.invalid(path, rest, detail)
