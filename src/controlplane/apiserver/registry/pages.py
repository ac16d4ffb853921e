"""Lists: which revision, which objects, where the next page begins.

resourceVersion as upstream has it: absent reads what every acknowledged write has left, "0"
whatever is there, a number that or newer; with a limit, or with Exact, exactly that. The pages of
one list all show the revision of the first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.list_options import EXACT, check_list_options
from controlplane.apiserver.selection import Selection
from controlplane.apiserver.stored import StoredObject
from controlplane.storage.interface import Compacted, FutureRevision
from kubeapi.status import StatusError, bad_request, gone


@dataclass(frozen=True, slots=True)
class Page:
    """A list, or a part of it."""

    revision: int
    items: Sequence[StoredObject]
    continue_: str = ""
    remaining: int | None = None  # Known only when no selector hides objects.


_NEWEST: Final = -1
_TOKEN_VERSION: Final = "meta.k8s.io/v1"
_INVALID: Final = "invalid continue token: continue key is not valid"
_INT64_END: Final = 1 << 63
#: What people search for when a list has become too old, in upstream's words.
_EXPIRED: Final = "The resourceVersion for the provided list is too old."
_INCONSISTENT: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start"
    " a new list without the continue parameter, or use the continue token in this response to"
    " retrieve the remainder of the results. Continuing with the provided token results in an"
    " inconsistent list - objects that were created, modified, or deleted between the time the"
    " first chunk was returned and now may show up in the list."
)


class _Token(msgspec.Struct):
    """A continue token: the next key after the prefix, and the revision of the first page.

    The revision is `_NEWEST` in a token that goes on where a list was forgotten.
    """

    rv: int
    start: str
    v: str = _TOKEN_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a list's query asks for."""

    limit: int = 0
    start: str = ""
    exact: int = 0  # The revision to read; 0: the newest.
    at_least: int = 0
    fresh: bool = True  # Every acknowledged write must be seen.


def too_large_revision(asked: int, newest: int) -> StatusError:
    """Return the answer for a resourceVersion that does not come in time."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {newest}",
        {"causes": [cause], "retryAfterSeconds": 1},
    )


def parse_revision(text: str) -> int:
    """Return a resourceVersion as a number; raises StatusError 400."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise bad_request(f"invalid resource version {text!r}: it must be a number")
    return int(text)


def parse_page_request(query: Mapping[str, str]) -> PageRequest:
    """Read limit, continue, resourceVersion and resourceVersionMatch; raises StatusError."""
    check_list_options(query, watch=False)
    limit = parse_integer(query, "limit")
    parse_integer(query, "timeoutSeconds")  # Lists end by themselves; it must be a number, still.
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    token = query.get("continue", "")
    if token:
        if version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        decoded = _decode_token(token)
        return PageRequest(limit=limit, start=decoded.start, exact=max(0, decoded.rv))
    if not version:
        return PageRequest(limit=limit)
    revision = parse_revision(version)
    if match == EXACT:
        return PageRequest(limit=limit, exact=revision)
    if limit and revision and not match:
        return PageRequest(limit=limit, exact=revision)
    if not revision:
        limit = 0  # Whatever is there is there at once (upstream: computeListLimit).
    return PageRequest(limit=limit, at_least=revision, fresh=False)


def parse_integer(query: Mapping[str, str], name: str) -> int:
    """Return a whole number, 0 where there is none or less; raises StatusError 400."""
    text = query.get(name, "")
    try:
        number = int(text or 0)
    except ValueError:
        number = _INT64_END
    if not -_INT64_END <= number < _INT64_END:
        raise bad_request(f"{name}: {text[:50]!r} is no number of 64 bits")
    return max(0, number)


def _decode_token(text: str) -> _Token:
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(octets, type=_Token)
    except (binascii.Error, ValueError, *UNREADABLE):
        raise bad_request(f"{_INVALID}: it is none that this server gave") from None
    if token.v != _TOKEN_VERSION:
        raise bad_request(f"{_INVALID}: server does not recognize this encoded version {token.v}")
    if token.rv <= 0 and token.rv != _NEWEST:
        raise bad_request(
            f"{_INVALID}: incorrect encoded start resourceVersion (version {_TOKEN_VERSION})"
        )
    if not token.start:
        raise bad_request(f"{_INVALID}: encoded start key empty (version {_TOKEN_VERSION})")
    return token


def _encode_token(revision: int, start: str) -> str:
    return (
        base64.urlsafe_b64encode(msgspec.json.encode(_Token(revision, start))).rstrip(b"=").decode()
    )


def cut(items: Iterable[StoredObject], selection: Selection, limit: int, revision: int) -> Page:
    """Return the first *limit* of *items* that are selected, and how to go on."""
    if selection.is_everything:
        found = list(items)
        left = len(found) - limit if limit else 0
    else:
        found = [item for item in items if selection.matches(item)]
        left = len(found) - limit if limit else 0
    if left <= 0:
        return Page(revision, found)
    token = _encode_token(revision, found[limit].key.removeprefix(selection.prefix))
    remaining = left if selection.is_everything else None
    return Page(revision, found[:limit], token, remaining)


async def read_page(cacher: Cacher, kind: Kind, selection: Selection, request: PageRequest) -> Page:
    """Read one page; raises StatusError 410 when its revision is forgotten."""
    if request.exact:
        try:
            await cacher.wait_for(request.exact)
        except TimeoutError:
            raise too_large_revision(request.exact, cacher.revision) from None
        return await _read_exact(cacher, kind, selection, request)
    try:
        await (cacher.wait_until_fresh() if request.fresh else cacher.wait_for(request.at_least))
    except TimeoutError:
        raise too_large_revision(request.at_least, cacher.revision) from None
    start = selection.prefix + request.start
    items = cacher.cache(kind.resource).selected(selection, start)
    return cut(items, selection, request.limit, cacher.revision)


def _forgotten(request: PageRequest) -> StatusError:
    """Return the answer for a revision that is gone; later pages may go on at another."""
    if not request.start:
        return gone(_EXPIRED)
    error = gone(_INCONSISTENT)
    error.continue_ = _encode_token(_NEWEST, request.start)
    return error


async def _read_exact(
    cacher: Cacher, kind: Kind, selection: Selection, request: PageRequest
) -> Page:
    start = selection.prefix + request.start
    cache = cacher.cache(kind.resource)
    if cache.changed_at <= request.exact <= cacher.revision:
        items: Iterable[StoredObject] = cache.selected(selection, start)
        return cut(items, selection, request.limit, request.exact)
    try:
        items = await cacher.at_revision(kind, selection.prefix, start, 0, request.exact)
    except Compacted:
        raise _forgotten(request) from None
    except FutureRevision as error:
        raise too_large_revision(error.asked, error.newest) from None
    return cut(items, selection, request.limit, request.exact)
