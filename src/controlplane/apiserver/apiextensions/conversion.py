"""Conversion by a webhook: ConversionReviews (upstream: apiserver/conversion/webhook_converter).

A webhook is asked for objects in another version of their kind. It may change everything of them
but their metadata, of which it may change labels and annotations. What it gives is pruned by the
version's schema. Upstream asks for each object of a list; here they are asked for together, so many
at once as `BATCH` says.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.admission.webhook.client import CallFailed
from controlplane.apiserver.admission.webhook.hooks import Client, client_of
from controlplane.apiserver.conversion import BATCH, ConversionNeeded, find
from controlplane.apiserver.decoding import check_values
from kubeapi.objects import Object
from kubeapi.status import StatusError
from kubeapi.validation import validate_annotations, validate_labels

_GROUP: Final = "apiextensions.k8s.io"
#: Which versions of ConversionReview are spoken.
_REVIEWS: Final = ("v1", "v1beta1")
_TIMEOUT_S: Final = 30
#: What of its metadata a webhook may change.
_CHANGEABLE: Final = {"labels": validate_labels, "annotations": validate_annotations}
_SAME: Final = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))

#: Sends a review to a webhook; returns its answer; raises CallFailed.
Ask = Callable[[Client, Object, int], Awaitable[bytes]]


class InvalidConversion(ValueError):
    """The webhook's answer is none."""


class WebhookConversion:
    """Converts the objects of one kind, group and kind being *about*."""

    def __init__(self, config: Object, kind: str, ask: Ask) -> None:
        self._client, self._kind, self._ask = client_of(config["clientConfig"]), kind, ask
        offered = config.get("conversionReviewVersions") or ()
        self._review = next((each for each in offered if each in _REVIEWS), "")

    def converter(
        self, version: str, prune: Callable[[Object], None]
    ) -> Callable[[Object], Object]:
        """Return the conversion of an object of any version to *version*."""

        def convert(obj: Object) -> Object:
            if obj["apiVersion"] == version:
                return obj
            if _is_empty(obj):
                return {**obj, "apiVersion": version}
            found = find(obj, version)
            if found is None:
                raise ConversionNeeded(self.convert, [obj], version)
            prune(found)
            return found

        return convert

    async def convert(self, objects: list[Object], version: str) -> list[Object]:
        """Return *objects* in *version*; raises StatusError 500."""
        about = f"conversion webhook for {objects[0]['apiVersion']}, Kind={self._kind}"
        converted: list[Object] = []
        for begin in range(0, len(objects), BATCH):
            part = objects[begin : begin + BATCH]
            try:
                converted += await self._asked(part, version)
            except InvalidConversion as error:
                raise StatusError(500, "", f"{about} {error}") from None
        return converted

    async def _asked(self, objects: list[Object], version: str) -> list[Object]:
        if not self._review:
            raise InvalidConversion("failed: no supported conversion review versions")
        uid = str(uuid.uuid4())
        request = {"uid": uid, "desiredAPIVersion": version, "objects": objects}
        api_version = f"{_GROUP}/{self._review}"
        review = {"kind": "ConversionReview", "apiVersion": api_version, "request": request}
        try:
            octets = await self._ask(self._client, review, _TIMEOUT_S)
            given = _converted(octets, self._review, uid)
        except (CallFailed, InvalidConversion) as error:
            why = str(error).removeprefix("failed to call webhook: ")
            raise InvalidConversion(f"failed: {why}") from None
        if len(given) != len(objects):
            raise InvalidConversion(f"returned {len(given)} objects, expected {len(objects)}")
        return [
            _restored(old, new, version, index)
            for index, (old, new) in enumerate(zip(objects, given, strict=True))
        ]


def _is_empty(obj: Object) -> bool:
    """Tell whether *obj* says nothing but what it is: that is not asked about."""
    return not any(value for key, value in obj.items() if key not in ("apiVersion", "kind"))


def _converted(octets: bytes, version: str, uid: str) -> list[object]:
    """Return the objects of an answer; raises InvalidConversion."""
    try:
        answer = msgspec.json.decode(octets)
    except UNREADABLE as error:
        raise InvalidConversion(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(answer, dict):
        raise InvalidConversion("couldn't get version/kind; the answer is no object")
    response = answer.get("response")
    if version == "v1":
        _check_head(answer, response, uid)
    if not isinstance(response, dict):
        raise InvalidConversion("no response provided")
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    status = result.get("status") or ""
    if status != "Success":
        said = result.get("message")
        raise InvalidConversion(
            str(said) if said else f"response.result.status was '{status}', not 'Success'"
        )
    given = response.get("convertedObjects")
    return given if isinstance(given, list) else []


def _check_head(answer: Object, response: object, uid: str) -> None:
    told = f"{answer.get('apiVersion') or ''}, Kind={answer.get('kind') or ''}"
    wanted = f"{_GROUP}/v1, Kind=ConversionReview"
    if told != wanted:
        raise InvalidConversion(f"expected webhook response of {wanted}, got {told}")
    if isinstance(response, dict) and response.get("uid") != uid:
        given = response.get("uid") or ""
        raise InvalidConversion(f'expected response.uid="{uid}", got "{given}"')


def _restored(old: Object, new: object, version: str, index: int) -> Object:
    """Return *new*, which the webhook made of *old*, with its metadata."""
    where = f"returned invalid object at index {index}"
    if not isinstance(new, dict):
        raise InvalidConversion(f"{where}: it is no object")
    if new.get("apiVersion") != version:
        told = new.get("apiVersion") or ""
        why = f"invalid groupVersion (expected {version}, received {told})"
        raise InvalidConversion(f"{where}: {why}")
    if new.get("kind") != old.get("kind"):
        why = f"invalid kind (expected {old.get('kind')}, received {new.get('kind') or ''})"
        raise InvalidConversion(f"{where}: {why}")
    try:
        check_values(new)
    except StatusError as error:
        raise InvalidConversion(f"{where}: {error.message}") from None
    before, after = old.get("metadata") or {}, new.get("metadata")
    if isinstance(after, dict):
        for key, name in _SAME:
            if (before.get(key) or "") != (after.get(key) or ""):
                told = f"{before.get(key) or ''} != {after.get(key) or ''}"
                raise InvalidConversion(f"{where}: must have the same {name}: {told}")
    return {**new, "metadata": _metadata(before, after)}


def _metadata(before: Object, after: object) -> Object:
    where = "returned invalid metadata"
    if after is None:
        raise InvalidConversion(f"{where}: missing metadata in converted object")
    if not isinstance(after, dict):
        raise InvalidConversion(f"{where}: invalid metadata in converted object")
    metadata = {key: value for key, value in before.items() if key not in _CHANGEABLE}
    for name, causes_of in _CHANGEABLE.items():
        given = after.get(name)
        if given is None:
            continue
        if not isinstance(given, dict):
            raise InvalidConversion(f"{where}: invalid metadata.{name} in converted object")
        for key, value in given.items():
            if not isinstance(value, str):
                why = f"metadata.{name}[{key}] must be a string in converted object"
                raise InvalidConversion(f"{where}: {why}")
        if given != before.get(name) and (causes := causes_of(given, f"metadata.{name}")):
            raise InvalidConversion(f"{where}: {'; '.join(map(str, causes))}")
        metadata[name] = given
    return metadata
