"""Whether a container's image must be pulled, and how often that is tried (pkg/kubelet/images).

Decisions and wordings only; `pod_worker` talks to the runtime.
"""

from __future__ import annotations

from typing import Final

ERR_IMAGE_PULL: Final = "ErrImagePull"
IMAGE_PULL_BACKOFF: Final = "ImagePullBackOff"
ERR_IMAGE_NEVER_PULL: Final = "ErrImageNeverPull"


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
    took = f"{took_s * 1000:.0f}ms" if took_s < 1 else f"{took_s:.3g}s"
    return (
        f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
        f"Image size: {size} bytes."
    )
