"""The name of a pod template: a short hash that two equal templates share.

Upstream hashes a dump of Go structs with FNV-1a and writes the decimal digits in an alphabet
without vowels, so that no hash spells a word. Ours hashes the template's canonical JSON: the form
is upstream's, the value is not. The collision count gives a template another hash when a
different one took the name.
"""

from __future__ import annotations

import json
from typing import Final

from controlplane.controllermanager.deployment.view import comparable
from kubeapi.objects import Object

_OFFSET: Final = 2166136261
_PRIME: Final = 16777619
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


def fnv1a(octets: bytes) -> int:
    """Return the 32-bit FNV-1a hash of *octets*."""
    value = _OFFSET
    for octet in octets:
        value = ((value ^ octet) * _PRIME) & 0xFFFFFFFF
    return value


def template_hash(template: Object, collision_count: int | None) -> str:
    """Return the pod-template-hash of *template*."""
    text = json.dumps(comparable(template), sort_keys=True, separators=(",", ":"))
    if collision_count is not None:
        text += f"#{collision_count}"
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(fnv1a(text.encode())))
