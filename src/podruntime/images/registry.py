"""The registry of images: which names can be pulled, and what they run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from componentbase.rpc import RpcError
from podruntime.images import (
    agnhost,
    busybox,
    coredns,
    documentation,
    guestbook,
    httpd,
    ingress_nginx,
    iperf3,
    nginx,
    pause,
    python_image,
    redis,
    stress,
    webapps,
)
from podruntime.images.image import Image
from podruntime.images.reference import InvalidReference, Reference

#: By repository, whatever registry (of the known ones) it is pulled from. A function of the tag
#: makes images whose versions differ.
IMAGES: Final[Mapping[str, Image | Callable[[str], Image]]] = {
    "pause": pause.IMAGE,
    "google_containers/pause": pause.IMAGE,
    "agnhost": agnhost.IMAGE,
    "e2e-test-images/agnhost": agnhost.IMAGE,
    "nginx": nginx.IMAGE,
    "nginx-slim": nginx.SLIM,
    "nginxinc/nginx-unprivileged": nginx.UNPRIVILEGED,
    "e2e-test-images/nginx": nginx.IMAGE,
    "busybox": busybox.IMAGE,
    "e2e-test-images/busybox": busybox.IMAGE,
    "httpd": httpd.IMAGE,
    "e2e-test-images/httpd": httpd.IMAGE,
    "coredns/coredns": coredns.IMAGE,
    "coredns": coredns.IMAGE,
    "ingress-nginx/controller": ingress_nginx.IMAGE,
    "alpine": busybox.ALPINE,
    "debian": busybox.DEBIAN,
    "ubuntu": busybox.DEBIAN,
    "fedora": busybox.DEBIAN,
    "bash": busybox.BASH,
    "radial/busyboxplus": busybox.CURL_SHELL,
    "e2e-test-images/jessie-dnsutils": busybox.DNSUTILS,
    "kubernetes-e2e-test-images/dnsutils": busybox.DNSUTILS,
    "serve_hostname": agnhost.SERVE_HOSTNAME,
    "hpa-example": documentation.HPA_EXAMPLE,
    "liveness": documentation.LIVENESS,
    "perl": documentation.PERL,
    "python": lambda _tag: python_image.interpreter(),
    "goproxy": documentation.GOPROXY,
    "google-samples/hello-go-gke": documentation.HELLO_GO,
    "google-samples/hello-frontend": documentation.HELLO_FRONTEND,
    "curlimages/curl": busybox.CURL,
    "google-samples/hello-app": webapps.hello_app,
    "google-samples/containers/gke/hello-app": webapps.hello_app,
    "google-samples/node-hello": webapps.NODE_HELLO,
    "google-samples/containers/gke/gb-frontend": guestbook.FRONTEND,
    "google-samples/containers/gke/gb-redis-follower": redis.FOLLOWER,
    "google-samples/gb-frontend": guestbook.FRONTEND,
    "google_samples/gb-frontend": guestbook.FRONTEND,
    "google_samples/gb-redis-follower": redis.FOLLOWER,
    "google_samples/gb-redisslave": redis.FOLLOWER,
    "redis": redis.IMAGE,
    "e2e-test-images/redis": redis.IMAGE,
    "polinux/stress": stress.STRESS,
    "vish/stress": stress.VISH,
    "hashicorp/http-echo": webapps.HTTP_ECHO,
    "traefik/whoami": webapps.WHOAMI,
    "networkstatic/iperf3": iperf3.IMAGE,
    "nicolaka/netshoot": iperf3.NETSHOOT,
    "echoserver": webapps.ECHOSERVER,
    "google_containers/echoserver": webapps.ECHOSERVER,
}

#: Registries that "exist"; a name at any other one cannot be pulled.
REGISTRIES: Final = (
    "docker.io",
    "registry.k8s.io",
    "k8s.gcr.io",
    "gcr.io",
    "us-docker.pkg.dev",
    "quay.io",
    "ghcr.io",
    "mirror.gcr.io",
    "public.ecr.aws",
)


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image under the name that it was asked for."""

    name: str
    image: Image

    @property
    def ref(self) -> str:
        """Return its id: stable for a name, as content addressing would make it."""
        return f"sha256:{hashlib.sha256(self.name.encode()).hexdigest()}"


def find(text: str) -> Pulled:
    """Return the image called *text*; raises RpcError as a registry's client words it."""
    if text.startswith(python_image.SCHEME):
        return Pulled(text, python_image.image(text))
    try:
        reference = Reference.parse(text)
    except InvalidReference as error:
        raise RpcError("InvalidArgument", str(error)) from None
    if reference.registry not in REGISTRIES:
        raise _cannot_pull(reference, f"lookup {reference.registry}: no such host")
    entry = IMAGES.get(reference.repository)
    if entry is None:
        raise _cannot_pull(
            reference,
            "pull access denied, repository does not exist or may require authorization",
        )
    image = entry if isinstance(entry, Image) else entry(reference.tag)
    if image.tags is not None and not image.tags.fullmatch(reference.tag):
        raise _cannot_pull(reference, f"{reference}: not found")
    return Pulled(str(reference), image)


def _cannot_pull(reference: Reference, why: str) -> RpcError:
    return RpcError(
        "NotFound",
        f'failed to pull and unpack image "{reference}": failed to resolve reference'
        f' "{reference}": {why}',
    )
