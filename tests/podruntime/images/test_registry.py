"""Image references and which of them can be pulled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from componentbase.rpc import RpcError
from podruntime.images import registry
from podruntime.images.image import Image
from podruntime.images.reference import InvalidReference, Reference


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx:1.25", "docker.io/library/nginx:1.25"),
        ("nginx:1.14.2", "docker.io/library/nginx:1.14.2"),
        ("nginx:1.27-alpine", "docker.io/library/nginx:1.27-alpine"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("traefik/whoami", "docker.io/traefik/whoami:latest"),
        ("busybox@sha256:0123", "docker.io/library/busybox:latest"),
        ("gcr.io/google-samples/hello-app:1.0", "gcr.io/google-samples/hello-app:1.0"),
    ],
)
def test_known_images_are_found_under_their_names(text, name):
    assert registry.find(text).name == name


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("nosuch", "NotFound", "pull access denied"),
        ("nginx:1.161", "NotFound", "docker.io/library/nginx:1.161: not found"),
        ("example.com/nginx", "NotFound", "lookup example.com: no such host"),
        ("NGINX", "InvalidArgument", "invalid reference format"),
        ("nginx:", "InvalidArgument", "invalid reference format"),
        ("", "InvalidArgument", "invalid reference format"),
        ("python://componentbase.nope:main", "NotFound", "No module named 'componentbase.nope'"),
        ("python://componentbase.logs.log", "NotFound", "failed to pull image"),
        ("python://:main", "NotFound", "failed to pull image"),
    ],
)
def test_unknown_images_say_why(text, code, reason):
    with pytest.raises(RpcError) as caught:
        registry.find(text)
    assert caught.value.code == code
    assert reason in caught.value.message


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_invalid(text):
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)).repository == reference.repository


def test_command_and_args_replace_entrypoint_and_cmd_as_kubernetes_says():
    image = Image(programs={}, entrypoint=("/ep",), cmd=("default",))
    assert image.command(None, None) == ["/ep", "default"]
    assert image.command(None, ["a"]) == ["/ep", "a"]
    assert image.command(["/c"], None) == ["/c"]
    assert image.command(["/c"], ["a"]) == ["/c", "a"]


def test_every_image_has_its_own_command():
    for name, entry in registry.IMAGES.items():
        image = entry if isinstance(entry, Image) else entry("1.0")
        assert image.command(None, None)[0].rpartition("/")[2] in image.programs, name
