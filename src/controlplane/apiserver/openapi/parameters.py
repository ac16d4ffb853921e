"""What a query or a path may say, as OpenAPI describes it (upstream: metav1 …Options).

Upstream describes the same parameter anew in every operation, and so do we: readers such as
kubectl look for `fieldValidation` in the operation itself, and do not follow references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kubeapi.objects import Object

_QUERY: Final[Mapping[str, tuple[str, str]]] = {
    "allowWatchBookmarks": ("boolean", "A watch is told now and then how far it has come."),
    "command": ("string", "The command, one argument each time; no shell reads it."),
    "container": ("string", "Which container; may be absent where there is but one."),
    "continue": ("string", "The token of the page before: the list goes on behind that page."),
    "dryRun": ("string", "All: everything is done but the writing."),
    "fieldManager": ("string", "Who is said to own the fields that this request sets."),
    "fieldSelector": ("string", "Which objects, by their fields."),
    "fieldValidation": (
        "string",
        "What happens to unknown and repeated fields: Ignore drops them, Warn says so in the"
        " answer's headers, Strict refuses the request.",
    ),
    "follow": ("boolean", "Go on with what is written from now on."),
    "force": ("boolean", "Server-side apply takes fields away from their other managers."),
    "gracePeriodSeconds": ("integer", "How long it may take to end; 0: none at all."),
    "insecureSkipTLSVerifyBackend": ("boolean", "Do not ask the kubelet who it is."),
    "labelSelector": ("string", "Which objects, by their labels."),
    "limit": ("integer", "So many objects in one answer, which tells how to go on."),
    "limitBytes": ("integer", "End after so many octets."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "path": ("string", "The path that the other server is asked for."),
    "ports": ("integer", "The port, or ports, to forward."),
    "pretty": ("string", "If 'true', the answer is indented."),
    "previous": ("boolean", "The log of the container's attempt before."),
    "propagationPolicy": (
        "string",
        "What becomes of dependents: Orphan, Background or Foreground.",
    ),
    "resourceVersion": ("string", "How new the answer must be, or from where a watch goes on."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": (
        "boolean",
        "A watch begins with what is there, and a bookmark where that ends.",
    ),
    "sinceSeconds": ("integer", "What is younger than this."),
    "stderr": ("boolean", "Carry the standard error."),
    "stdin": ("boolean", "Carry the standard input."),
    "stdout": ("boolean", "Carry the standard output."),
    "tailLines": ("integer", "So many lines from the end."),
    "timeoutSeconds": ("integer", "How long the call may last."),
    "timestamps": ("boolean", "Each line begins with its time."),
    "tty": ("boolean", "With a terminal."),
    "watch": ("boolean", "Tell changes as they happen, instead of a list."),
}

LIST: Final = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
WRITE: Final = ("dryRun", "fieldManager", "fieldValidation")
PATCH: Final = (*WRITE, "force")
DELETE: Final = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
DELETE_COLLECTION: Final = tuple(sorted({*DELETE, *LIST} - {"watch", "allowWatchBookmarks"}))
#: Of subresources that are connections, by the kind of their options.
CONNECT: Final[Mapping[str, tuple[str, ...]]] = {
    "PodAttachOptions": ("container", "stderr", "stdin", "stdout", "tty"),
    "PodExecOptions": ("command", "container", "stderr", "stdin", "stdout", "tty"),
    "PodPortForwardOptions": ("ports",),
    "PodProxyOptions": ("path",),
    "ServiceProxyOptions": ("path",),
    "NodeProxyOptions": ("path",),
}
LOG: Final = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "tailLines",
    "timestamps",
)


def in_query(names: Iterable[str]) -> list[Object]:
    """Return the descriptions of query parameters."""
    return [_query(name) for name in names]


def _query(name: str) -> Object:
    type, text = _QUERY[name]
    return {
        "name": name,
        "in": "query",
        "description": text,
        "schema": {"type": type, "uniqueItems": True},
    }


def in_path(name: str, text: str) -> Object:
    """Return the description of a part of the path."""
    return {
        "name": name,
        "in": "path",
        "description": text,
        "required": True,
        "schema": {"type": "string", "uniqueItems": True},
    }
