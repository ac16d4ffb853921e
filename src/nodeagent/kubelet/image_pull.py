"""Whether a container's image must be pulled, and how often that is tried (pkg/kubelet/images).

Decisions and wordings only; `pod_worker` talks to the runtime.
"""

from __future__ import annotations

import re
from typing import Final

from nodeagent.kubelet.durations import duration

ERR_IMAGE_PULL: Final = "ErrImagePull"
IMAGE_PULL_BACKOFF: Final = "ImagePullBackOff"
ERR_IMAGE_NEVER_PULL: Final = "ErrImageNeverPull"
ERR_INVALID_IMAGE_NAME: Final = "InvalidImageName"
#: distribution/reference: the path of a repository, and a tag.
_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def normalized(image: str) -> str:
    """Return *image* as the runtime lists it: registry and tag spelled out.

    `nginx` means `docker.io/library/nginx:latest` (upstream: distribution/reference, Docker Hub's
    rules). A name with a scheme (`python://`) is no reference and stays as it is.
    """
    if "://" in image:
        return image
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in image else f"{image}:latest"


def invalid_name(image: str) -> str:
    """Return why *image* names no image, "" when it does (parsers.ParseImageName)."""
    if "://" in image:
        return ""
    rest, _, _ = image.partition("@")
    last = rest.rpartition("/")[2]
    name, colon, tag = last.partition(":")
    path = rest[: len(rest) - len(last)] + name
    first, slash, others = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        path = others
    if path and path != path.lower():
        why = "invalid reference format: repository name ({}) must be lowercase".format(
            path if "/" in path else f"library/{path}"
        )
    elif not _PATH.fullmatch(path) or (colon and not _TAG.fullmatch(tag)):
        why = "invalid reference format"
    else:
        return ""
    return (
        f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {why}'
    )


def must_pull(policy: str, *, present: bool) -> bool:
    """Tell whether the image has to be asked for under imagePullPolicy *policy*."""
    return policy == "Always" or (policy != "Never" and not present)


def pull_failed(image: str, error: str) -> str:
    """Return the text of the Failed event."""
    return f'Failed to pull image "{image}": {error}'


def backing_off(image: str, error: str) -> str:
    """Return the message of ImagePullBackOff."""
    text = f'Back-off pulling image "{image}"'
    return f"{text}: {ERR_IMAGE_PULL}: {error}" if error else text


def never_pulled(image: str) -> str:
    """Return the message of ErrImageNeverPull."""
    return f'Container image "{image}" is not present with pull policy of Never'


def already_present(image: str) -> str:
    """Return the text of the Pulled event when nothing had to be done."""
    return f'Container image "{image}" already present on machine'


def pulled(image: str, took_s: float, size: int) -> str:
    """Return the text of the Pulled event after a pull."""
    took = duration(int(took_s * 1000) / 1000)
    return (
        f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
        f"Image size: {size} bytes."
    )
