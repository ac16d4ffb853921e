"""metav1.Status as an exception: how the API says no.

Reasons, codes and wordings are upstream's (apimachinery `api/errors`): clients match on reasons,
people on wordings. `Cause` is one wrong field; `kubeapi.field` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubeapi.objects import Object
from kubeapi.resources import Resource


@dataclass(frozen=True, slots=True)
class Cause:
    """One wrong field (metav1.StatusCause)."""

    type: str  # "FieldValueRequired", "FieldValueInvalid", …
    message: str
    field: str

    def to_object(self) -> Object:
        return {"reason": self.type, "message": self.message, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class StatusError(Exception):
    """The API's refusal; raised by the server, and by the client that was refused."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details: Object = details or {}
        self.continue_ = ""  # How a list may go on, where it cannot go on as it was.
        self._tells_details = details is not None

    def to_object(self) -> Object:
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_} if self.continue_ else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self._tells_details:
            status["details"] = self.details
        return {**status, "code": self.code}

    @classmethod
    def from_object(cls, status: Object) -> StatusError:
        """Return the exception that a decoded Status stands for."""
        return cls(
            int(status.get("code") or 500),
            str(status.get("reason") or ""),
            str(status.get("message") or "unknown"),
            status.get("details"),
        )

    @property
    def retry_after_s(self) -> int:
        """Return what the server asked to wait; 0 when it asked for nothing."""
        return int(self.details.get("retryAfterSeconds") or 0)


def _about(resource: Resource, name: str) -> Object:
    details: Object = {"name": name, "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    return details


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, "Unauthorized", message)


def forbidden(resource: Resource, name: str, why: str) -> StatusError:
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {why}", _about(resource, name))


def not_found(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, _about(resource, name))


def no_such_path() -> StatusError:
    """Return the answer for a path that nothing is served at."""
    # Some clients (kubectl debug) read the details of every 404 without looking for them.
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed(resource: Resource, action: str) -> StatusError:
    message = f'{action} is not supported on resources of kind "{resource.qualified}"'
    return StatusError(405, "MethodNotAllowed", message, _about(resource, ""))


def not_acceptable(message: str) -> StatusError:
    return StatusError(406, "NotAcceptable", message)


def already_exists(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _about(resource, name))


_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(resource: Resource, name: str, why: str = _MODIFIED) -> StatusError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, _about(resource, name))


def gone(message: str) -> StatusError:
    """Return the answer for a resourceVersion or continue token that was compacted."""
    return StatusError(410, "Expired", message)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def invalid(kind: str, name: str, causes: Sequence[Cause], *, group: str = "") -> StatusError:
    """Return the answer for an object whose fields are wrong."""
    qualified = f"{kind}.{group}" if group else kind
    texts = [str(cause) for cause in dict.fromkeys(causes)]
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Object = {"name": name, "kind": kind}
    if group:
        details["group"] = group
    details["causes"] = [cause.to_object() for cause in dict.fromkeys(causes)]
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {told}', details)


def unprocessable(message: str) -> StatusError:
    """Return the answer for a patch that is well-formed but cannot be applied."""
    return StatusError(422, "Invalid", message)


def too_many_requests(message: str, *, retry_after_s: int = 1) -> StatusError:
    return StatusError(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after_s})


def internal(message: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {message}")


def service_unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


def request_timeout(message: str) -> StatusError:
    """Return the answer for a request that did not arrive in time."""
    return StatusError(408, "Timeout", message)


def timeout(message: str) -> StatusError:
    return StatusError(504, "Timeout", f"Timeout: {message}")


def is_not_found(error: StatusError) -> bool:
    return error.reason == "NotFound"


def is_conflict(error: StatusError) -> bool:
    return error.reason == "Conflict"


def is_already_exists(error: StatusError) -> bool:
    return error.reason == "AlreadyExists"


def is_gone(error: StatusError) -> bool:
    """Tell whether a list must be made anew: the resourceVersion is too old."""
    return error.code == 410
