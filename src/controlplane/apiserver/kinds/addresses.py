"""IP addresses in objects, in upstream's words (apimachinery `validation.IsValidIP`)."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Final

from kubeapi import field
from kubeapi.status import Cause

_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
#: An address and the length of a prefix; neither a netmask nor a zone, which Python would take.
_CIDR: Final = re.compile(r"[0-9A-Fa-f.:]+/[0-9]{1,3}")
_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def validate_address(text: str, path: str) -> list[Cause]:
    """Judge one IP address of any family."""
    try:
        ip_address(text)
    except ValueError:
        return [field.invalid(path, text, _NO_ADDRESS)]
    return []


def validate_cidr(text: str, path: str) -> list[Cause]:
    """Judge one network of any family."""
    try:
        if not _CIDR.fullmatch(text):
            raise ValueError(text)
        ip_network(text, strict=False)
    except ValueError:
        return [field.invalid(path, text, _NO_CIDR)]
    return []


def validate_backend_address(text: str, path: str) -> list[Cause]:
    """Judge an address that traffic is sent to: none that means a host itself or many."""
    if causes := validate_address(text, path):
        return causes
    address = ip_address(text)
    if address.is_unspecified:
        return [field.invalid(path, text, "may not be unspecified (0.0.0.0 or ::)")]
    if address.is_loopback:
        return [
            field.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
        ]
    if address.is_link_local:
        detail = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        return [field.invalid(path, text, detail)]
    if address.is_multicast:
        detail = "may not be in the multicast range (224.0.0.0/4, ff00::/8)"
        return [field.invalid(path, text, detail)]
    return []
