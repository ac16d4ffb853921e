"""The verbs on resources and their status, as requests and answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from componentbase.clock import Clock
from controlplane.apiserver import keys
from controlplane.apiserver.conversion import settled
from controlplane.apiserver.decoding import (
    Admitted,
    Source,
    admit_shape,
    decode_object,
    media_type,
)
from controlplane.apiserver.exchange import Answer, Request, Watching, answer_object, success
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry import create, patching
from controlplane.apiserver.registry.options import (
    APPLY_PATCH,
    DeleteOptions,
    WriteOptions,
    delete_options,
    write_options,
)
from controlplane.apiserver.registry.pages import (
    parse_page_request,
    parse_revision,
    read_page,
    too_large_revision,
)
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.registry.watch import WatchStream, open_watch, parse_watch_request
from controlplane.apiserver.rendering import Form
from controlplane.apiserver.routes.server_side_apply import ServerSideApply
from controlplane.apiserver.selection import parse_selection
from controlplane.apiserver.stored import StoredObject
from controlplane.apiserver.table import check_include
from kubeapi.objects import Object, deep_copy, uid_of
from kubeapi.resources import Resource
from kubeapi.status import StatusError

#: How many objects of a collection are deleted at once (upstream: --delete-collection-workers).
_DELETIONS_AT_ONCE: Final = 16


def delete_body(request: Request) -> DeleteOptions:
    """Return the options of a deletion."""
    body = decode_object(request.body, request.content_type) if request.body else {}
    return delete_options(request, body)


def deletion_details(resource: Resource, stored: StoredObject) -> Object:
    """Return the details of the Status that a removal answers with."""
    details: Object = {"name": stored.object["metadata"]["name"], "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    return {**details, "uid": uid_of(stored.object)}


class ResourceRoutes:
    """Answers the generic verbs for every kind."""

    def __init__(
        self, registry: Registry, *, rng: random.Random, wall: Clock, monotonic: Clock
    ) -> None:
        self.registry = registry
        self._rng, self._wall, self._monotonic = rng, wall, monotonic

    def now(self) -> float:
        """Return the time that a write gets."""
        return self._wall()

    def form(self, kind: Kind, request: Request) -> Form:
        """Return how *request* wants its answer."""
        include = request.query.get("includeObject", "")
        check_include(include)
        return Form(kind=kind, accepted=request.accepted, include=include, wall=self._wall)

    async def _shown(
        self,
        kind: Kind,
        request: Request,
        stored: StoredObject,
        *,
        status: int = 200,
        warnings: Sequence[str] = (),
    ) -> Answer:
        form = self.form(kind, request)
        return await settled(lambda: form.object(stored, status=status, warnings=warnings))

    async def get(self, kind: Kind, request: Request) -> Answer:
        info = request.info
        await self.wait_for_version(request)
        stored = self.registry.get(kind.stored, info.namespace, info.name)
        return await self._shown(kind, request, stored)

    async def wait_for_version(self, request: Request) -> None:
        """Wait until the cache is as new as a get's resourceVersion asks; raises StatusError."""
        version, cacher = request.query.get("resourceVersion", ""), self.registry.cacher
        if not version:
            return await cacher.wait_until_fresh()
        revision = parse_revision(version)
        try:
            await cacher.wait_for(revision)
        except TimeoutError:
            raise too_large_revision(revision, cacher.revision) from None

    async def list(self, kind: Kind, request: Request) -> Answer:
        prefix = keys.prefix(kind.stored.resource, request.info.namespace)
        selection = parse_selection(kind, prefix, request.query)
        asked = parse_page_request(request.query)
        page = await read_page(self.registry.cacher, kind.stored, selection, asked)
        form = self.form(kind, request)
        return await settled(lambda: form.list(page))

    async def watch(self, kind: Kind, request: Request) -> Watching:
        query = dict(request.query)
        if request.info.name:
            own = f"metadata.name={request.info.name}"
            query["fieldSelector"] = ",".join(filter(None, (query.get("fieldSelector"), own)))
        prefix = keys.prefix(kind.stored.resource, request.info.namespace)
        selection = parse_selection(kind, prefix, query)
        asked = parse_watch_request(query, self._rng)
        form, cacher = self.form(kind, request), self.registry.cacher
        watch = await open_watch(cacher, form, selection, asked)
        stream = WatchStream(cacher, form, watch, asked, self._monotonic())
        return Watching(stream=stream, content_type=form.accepted.content_type)

    def _admit(self, kind: Kind, request: Request, obj: Object, options: WriteOptions) -> Admitted:
        source = Source(request.body, request.content_type)
        return admit_shape(kind, obj, options.strictness, source)

    async def create(self, kind: Kind, request: Request) -> Answer:
        options = self.options(kind, request)
        obj = decode_object(request.body, request.content_type)
        admitted = self._admit(kind, request, obj, options)
        if kind.hub is not None and not kind.is_custom:
            judged = deep_copy(admitted.obj)
            kind.default(judged)
            create.check(kind, judged)
        obj = await settled(lambda: kind.to_hub(admitted.obj))
        stored = await self.registry.create(kind.stored, request.info.namespace, obj, options)
        warnings = [*admitted.warnings, *options.warnings]
        return await self._shown(kind, request, stored, status=201, warnings=warnings)

    async def update(self, kind: Kind, request: Request, subresource: str = "") -> Answer:
        options = self.options(kind, request)
        obj = decode_object(request.body, request.content_type)
        admitted = self._admit(kind, request, obj, options)
        hub = await settled(lambda: kind.to_hub(admitted.obj))
        stored = await self._updated(
            kind, request, lambda _old: deep_copy(hub), options, subresource
        )
        warnings = [*admitted.warnings, *options.warnings]
        return await self._shown(kind, request, stored, warnings=warnings)

    async def patch(self, kind: Kind, request: Request, subresource: str = "") -> Answer:
        options = self.options(kind, request)
        if media_type(request.content_type) == APPLY_PATCH:
            return await self._apply(kind, request, options, subresource)
        apply = patching.patcher(kind, request.body, request.content_type)
        strict = patching.Strictness(options.strictness, request.body, request.content_type)
        warnings: list[str] = []

        def change(old: Object) -> Object:
            new = apply(kind.from_hub(old))
            with strict.told(new):
                admitted = admit_shape(kind, new, strict.of_object)
            warnings[:] = strict.warnings(admitted.findings, new)
            return kind.to_hub(admitted.obj)

        stored = await self._updated(kind, request, change, options, subresource)
        warnings += options.warnings
        return await self._shown(kind, request, stored, warnings=warnings)

    def options(self, kind: Kind, request: Request) -> WriteOptions:
        """Read a write's query, who writes, and in which version."""
        options = write_options(request)
        return options if kind.hub is None else replace(options, version=kind)

    async def _apply(
        self, kind: Kind, request: Request, options: WriteOptions, subresource: str
    ) -> Answer:
        work = ServerSideApply(self.registry, kind, request, options, self._wall)
        applied = await work.serve(subresource)
        status = 201 if applied.created else 200
        return await self._shown(
            kind, request, applied.stored, status=status, warnings=applied.warnings
        )

    async def _updated(
        self,
        kind: Kind,
        request: Request,
        change: Callable[[Object], Object],
        options: WriteOptions,
        subresource: str,
    ) -> StoredObject:
        info = request.info
        return await self.registry.update(
            kind.stored, info.namespace, info.name, change, options, subresource=subresource
        )

    async def delete(self, kind: Kind, request: Request) -> Answer:
        info = request.info
        options = delete_body(request)
        stored, gone = await self.registry.delete(kind.stored, info.namespace, info.name, options)
        if not gone or kind.returns_deleted:
            return await self._shown(kind, request, stored, warnings=options.warnings)
        details = deletion_details(kind.resource, stored)
        return answer_object(success(details), request.accepted, warnings=options.warnings)

    async def delete_collection(self, kind: Kind, request: Request) -> Answer:
        prefix = keys.prefix(kind.stored.resource, request.info.namespace)
        selection = parse_selection(kind, prefix, request.query)
        options = delete_body(request)
        asked = parse_page_request(request.query)
        page = await read_page(self.registry.cacher, kind.stored, selection, asked)
        await self._delete_all(kind, page.items, options)
        form = self.form(kind, request)
        return await settled(lambda: form.list(page))

    async def _delete_all(
        self, kind: Kind, items: Sequence[StoredObject], options: DeleteOptions
    ) -> None:
        """Delete *items*, some at once; raises the first StatusError, when the others are done."""
        waiting, failed = iter(items), list[StatusError]()

        async def work() -> None:
            for stored in waiting:
                try:
                    await self._delete_one(kind, stored, options)
                except StatusError as error:
                    failed.append(error)
                if failed:
                    return

        await asyncio.gather(*(work() for _ in range(min(_DELETIONS_AT_ONCE, len(items)))))
        if failed:
            raise failed[0]

    async def _delete_one(self, kind: Kind, stored: StoredObject, options: DeleteOptions) -> None:
        metadata = stored.metadata
        try:
            await self.registry.delete(
                kind.stored, metadata.get("namespace", ""), metadata["name"], options
            )
        except StatusError as error:
            if error.code != 404:  # Somebody else was faster.
                raise
