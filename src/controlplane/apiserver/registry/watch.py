"""A watch from its query to its octets.

resourceVersion absent or "0": what is there is sent as ADDED first. A number: what happened since,
or 410 when that is forgotten. With sendInitialEvents the state comes first and a bookmark ends
it. Bookmarks tell idle clients how far they have come.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from componentbase.clock import Clock
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.registry.pages import parse_revision, too_large_revision
from controlplane.apiserver.rendering import Form
from controlplane.apiserver.request_info import is_true
from controlplane.apiserver.selection import Selection
from controlplane.apiserver.watch_cache import ADDED, CacheWatch, WatchEvent
from kubeapi.status import bad_request, gone

BOOKMARK_EVERY_S: Final = 30.0
#: A watch that names no end gets one between this and twice this (--min-request-timeout).
_TIMEOUT_S: Final = 1800.0
#: How many events go out in one piece.
_BATCH_MAX: Final = 500


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
    version = query.get("resourceVersion", "")
    revision = parse_revision(version) if version else 0
    bookmarks = is_true(query.get("allowWatchBookmarks"))
    streaming = query.get("sendInitialEvents")
    if query.get("resourceVersionMatch") and streaming is None:
        raise bad_request(
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        )
    return WatchRequest(
        after=revision,
        initial_events=is_true(streaming) if streaming is not None else revision == 0,
        initial_bookmark=is_true(streaming) and bookmarks,
        fresh=version == "",
        bookmarks=bookmarks,
        timeout_s=_timeout(query.get("timeoutSeconds", ""), rng),
    )


def _timeout(text: str, rng: random.Random) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        raise bad_request(f"timeoutSeconds: {text!r} is no number") from None
    return seconds if seconds > 0 else rng.uniform(_TIMEOUT_S, 2 * _TIMEOUT_S)


async def open_watch(
    cacher: Cacher, form: Form, selection: Selection, request: WatchRequest
) -> CacheWatch:
    """Open the watch and queue what it begins with; raises StatusError 410, 504."""
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
        raise gone(f"too old resource version: {after} ({cache.oldest})")
    watch = cache.open(selection)
    cache.replay(watch, after)
    return watch


class WatchStream:
    """The octets of one watch, made when they are asked for."""

    def __init__(
        self, cacher: Cacher, form: Form, watch: CacheWatch, request: WatchRequest, clock: Clock
    ) -> None:
        self._cacher, self._form, self._watch, self._request = cacher, form, watch, request
        self._clock = clock
        self._ends_at = clock() + request.timeout_s
        self._ready = asyncio.Event()
        self._first = True
        watch.on_ready = self._ready.set

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield until the time is over, the watch fails or the reader stops reading."""
        try:
            if self._request.initial_bookmark:
                revision = self._cacher.revision
                for chunk in self._drain():
                    yield chunk
                yield self._form.bookmark(revision, initial_events_end=True)
            while not self._watch.failure:
                for chunk in self._drain():
                    yield chunk
                if self._clock() >= self._ends_at:
                    break
                if not await self._wait() and self._request.bookmarks:
                    yield self._form.bookmark(self._cacher.revision)
            if self._watch.failure:
                error = gone(self._watch.failure)
                yield self._form.frame_object("ERROR", error.to_object())
        finally:
            self._watch.close()

    def _drain(self) -> Iterator[bytes]:
        """Yield what is queued, several events to a piece; made only as fast as it is read."""
        queue = self._watch.queue
        while queue:
            frames: list[bytes] = []
            while queue and len(frames) < _BATCH_MAX:
                event = queue.popleft()
                frames.append(self._form.frame(event.type, event.stored, first=self._first))
                self._first = False
            yield b"".join(frames)

    async def _wait(self) -> bool:
        """Wait for events; False when a bookmark or the end is due."""
        self._ready.clear()
        if self._watch.queue or self._watch.failure:
            return True
        left = min(BOOKMARK_EVERY_S, self._ends_at - self._clock())
        try:
            async with asyncio.timeout(left):
                await self._ready.wait()
        except TimeoutError:
            # Nothing is queued, and everything up to the cacher's revision has been looked at.
            return bool(self._watch.queue)
        return True
