"""All functions, and the names of types (Kubernetes 1.32: cel/environment/base.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubeapi.cel.functions import (
    addresses,
    authorizer,
    conversions,
    formats,
    lists,
    optionals,
    quantities,
    texts,
    times,
    urls,
)
from kubeapi.cel.functions.function import Table
from kubeapi.cel.values import CelType, Duration, OptionalValue, Timestamp

GLOBAL: Final[Table] = {
    **conversions.GLOBAL,
    **texts.GLOBAL,
    **lists.GLOBAL,
    **optionals.GLOBAL,
    **quantities.GLOBAL,
    **urls.GLOBAL,
    **addresses.GLOBAL,
    **formats.GLOBAL,
}
MEMBER: Final[Table] = {
    **conversions.MEMBER,
    **times.MEMBER,
    **texts.MEMBER,
    **lists.MEMBER,
    **optionals.MEMBER,
    **quantities.MEMBER,
    **urls.MEMBER,
    **addresses.MEMBER,
    **formats.MEMBER,
    **authorizer.MEMBER,
}
#: What the names of types stand for.
TYPES: Final[Mapping[str, CelType]] = {
    name: CelType(name)
    for name in (
        *("bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"),
        *(Timestamp.TYPE, Duration.TYPE, OptionalValue.TYPE),
        *(quantities.Quantity.TYPE, urls.Url.TYPE, addresses.Ip.TYPE, addresses.Cidr.TYPE),
        formats.NamedFormat.TYPE,
    )
}
