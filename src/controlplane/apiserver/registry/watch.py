"""A watch from its query to its octets.

resourceVersion absent or "0": what is there is sent as ADDED first. A number: what happened since,
or 410 when that is forgotten. With sendInitialEvents the state comes first and a bookmark ends
it. Bookmarks tell idle clients how far they have come.

What is to be sent when is decided here, without I/O; `watch_sender` sends it. Watches of one form
share the octets of an event: whoever is served first encodes them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from controlplane.apiserver.cacher import REDEFINED, Cacher
from controlplane.apiserver.conversion import BATCH, ConversionNeeded, Made, remembering
from controlplane.apiserver.registry.list_options import check_list_options
from controlplane.apiserver.registry.pages import parse_integer, parse_revision, too_large_revision
from controlplane.apiserver.rendering import Form
from controlplane.apiserver.request_info import is_true
from controlplane.apiserver.selection import Selection
from controlplane.apiserver.watch_cache import ADDED, CacheWatch, WatchEvent
from kubeapi.status import StatusError, gone

BOOKMARK_EVERY_S: Final = 30.0
#: A watch that names no end gets one between this and twice this (--min-request-timeout).
_TIMEOUT_S: Final = 1800.0
#: So much goes out in one piece, or one event.
_PIECE_OCTETS: Final = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What a watch's query asks for."""

    after: int = 0
    initial_events: bool = True
    initial_bookmark: bool = False
    fresh: bool = False  # The initial state must show every acknowledged write.
    bookmarks: bool = False
    timeout_s: float


def parse_watch_request(query: Mapping[str, str], rng: random.Random) -> WatchRequest:
    """Read a watch's query; raises StatusError 400."""
    check_list_options(query, watch=True)
    version = query.get("resourceVersion", "")
    revision = parse_revision(version) if version else 0
    bookmarks = is_true(query.get("allowWatchBookmarks"))
    streaming = query.get("sendInitialEvents")
    return WatchRequest(
        after=revision,
        initial_events=is_true(streaming) if streaming is not None else revision == 0,
        initial_bookmark=is_true(streaming) and bookmarks,
        fresh=version == "",
        bookmarks=bookmarks,
        timeout_s=_timeout(query, rng),
    )


def _timeout(query: Mapping[str, str], rng: random.Random) -> float:
    seconds = parse_integer(query, "timeoutSeconds")
    return float(seconds) if seconds > 0 else rng.uniform(_TIMEOUT_S, 2 * _TIMEOUT_S)


async def open_watch(
    cacher: Cacher, form: Form, selection: Selection, request: WatchRequest
) -> CacheWatch:
    """Open the watch and queue what it begins with; raises StatusError 504.

    One that would begin with what is forgotten is refused in the stream, as upstream does it.
    """
    cache = cacher.cache(form.kind.stored.resource)
    try:
        await (cacher.wait_until_fresh() if request.fresh else cacher.wait_for(request.after))
    except TimeoutError:
        raise too_large_revision(request.after, cacher.revision) from None
    if request.initial_events:
        watch = cache.open(selection)
        found = cache.below(selection.prefix)
        watch.queue.extend(WatchEvent(ADDED, item) for item in found if selection.matches(item))
        return watch
    after = request.after or cacher.revision
    if after < cache.oldest:
        return CacheWatch.refused(selection, f"too old resource version: {after} ({cache.oldest})")
    watch = cache.open(selection)
    cache.replay(watch, after)
    return watch


class WatchStream:
    """The octets of one watch, made when they are asked for."""

    def __init__(
        self, cacher: Cacher, form: Form, watch: CacheWatch, request: WatchRequest, now: float
    ) -> None:
        self._cacher, self._form, self._watch, self._request = cacher, form, watch, request
        self._form_name, resource = form.name, form.kind.resource
        self._labels = resource.group, resource.version, resource.kind
        self._ends_at = now + request.timeout_s
        self._idle_since = now
        self._first = True
        self._bookmark_at_start: int | None = None
        if request.initial_bookmark:
            self._bookmark_at_start = cacher.revision
            self._initial = len(watch.queue)
        #: What this watch has had converted, where somebody outside converts, …
        self._made = Made() if form.kind.is_converted else None
        #: … what it needs next, and why it did not get it.
        self.needed: ConversionNeeded | None = None
        self._failed: StatusError | None = None
        #: Nothing comes any more once everything was taken.
        self.ended = False

    @property
    def watch(self) -> CacheWatch:
        return self._watch

    def take(self, now: float) -> bytes:
        """Return what is to be sent next; nothing when that is all for now."""
        if self._watch.failure or self._failed is not None:
            return self._last_words()
        if self._made is None:
            return self._taken(now)
        with remembering(self._made):
            return self._taken(now)

    def _taken(self, now: float) -> bytes:
        frames: list[bytes] = []
        size, queue = 0, self._watch.queue
        while size < _PIECE_OCTETS:
            if self._bookmark_at_start is not None and self._initial == 0:
                frames.append(self._end_of_initial_events(self._bookmark_at_start))
            if not queue or (self._made is not None and self._lacks_conversion(self._made)):
                break
            frames.append(self._frame(queue.popleft()))
            size += len(frames[-1])
        if frames:
            self._idle_since = now
            self._cacher.sent.add(self._labels, len(frames))
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _lacks_conversion(self, made: Made) -> bool:
        """Tell whether the next event cannot be shown yet; what it needs stands in `needed`."""
        queue = self._watch.queue
        try:
            self._form.check_converted([queue[0].stored])
        except ConversionNeeded:
            made.clear()  # What was made for those before it.
        else:
            return False
        try:
            self._form.check_converted(event.stored for event in islice(queue, BATCH))
        except ConversionNeeded as error:
            self.needed = error
        return True

    async def convert(self) -> None:
        """Have what is `needed` converted; a failure ends the watch."""
        assert self.needed is not None
        assert self._made is not None
        try:
            await self.needed.make(self._made)
        except StatusError as error:
            self._failed = error
        self.needed = None

    def _frame(self, event: WatchEvent) -> bytes:
        if self._bookmark_at_start is not None:
            self._initial -= 1
        first, self._first = self._first, False
        shared = self._cacher.frames
        if shared is None or self._form.is_of_its_own:
            return self._form.frame(event.type, event.stored, first=first)
        key = (id(event.stored), event.type, self._form_name)
        found = shared.get(key)
        if found is None:
            octets = self._form.frame(event.type, event.stored, first=first)
            found = shared[key] = event.stored, octets
        return found[1]

    def _end_of_initial_events(self, revision: int) -> bytes:
        self._bookmark_at_start = None
        return self._form.bookmark(revision, initial_events_end=True)

    def _last_words(self) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        if self._watch.lagged:
            self._cacher.terminated.add((self._form.kind.resource.qualified,))
        if self._watch.failure == REDEFINED:
            return b""
        refusal = self._failed or gone(self._watch.failure)
        return self._form.frame_object("ERROR", refusal.to_object())

    def deadline(self) -> float:
        """Return when something is due, whatever happens."""
        if not self._request.bookmarks:
            return self._ends_at
        return min(self._ends_at, self._idle_since + BOOKMARK_EVERY_S)

    def handle_deadline(self, now: float) -> bytes:
        """Return a bookmark if one is due; end when the time is over."""
        if now < self.deadline():
            return b""
        if now >= self._ends_at:
            self.ended = True
        self._idle_since = now
        # Nothing is queued: everything up to the cacher's revision has been looked at.
        wanted = self._request.bookmarks and not self._watch.queue and not self._watch.failure
        return self._form.bookmark(self._cacher.revision) if wanted else b""
