import pytest

from nodeagent.kubelet import image_pull


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("hashicorp/http-echo", "docker.io/hashicorp/http-echo:latest"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("localhost/x", "localhost/x:latest"),
        ("host:5000/x", "host:5000/x:latest"),
        ("nginx@sha256:ab", "docker.io/library/nginx@sha256:ab"),
        ("python://a.b:c", "python://a.b:c"),
    ],
)
def test_names_as_the_runtime_lists_them(image, listed):
    assert image_pull.normalized(image) == listed


@pytest.mark.parametrize(
    ("policy", "present", "pull"),
    [
        ("Always", True, True),
        ("Always", False, True),
        ("IfNotPresent", True, False),
        ("IfNotPresent", False, True),
        ("Never", True, False),
        ("Never", False, False),
    ],
)
def test_must_pull(policy, present, pull):
    assert image_pull.must_pull(policy, present=present) is pull


def test_wordings_are_upstreams():
    assert image_pull.pull_failed("x", "why") == 'Failed to pull image "x": why'
    assert image_pull.backing_off("x", "") == 'Back-off pulling image "x"'
    assert image_pull.backing_off("x", "why") == 'Back-off pulling image "x": ErrImagePull: why'
    assert image_pull.pulled("x", 0.0123, 5) == (
        'Successfully pulled image "x" in 12ms (12ms including waiting). Image size: 5 bytes.'
    )
    assert " in 2.5s (" in image_pull.pulled("x", 2.5, 5)
    assert " in 1m1.234s (1m1.234s incl" in image_pull.pulled("x", 61.2345, 5)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("nginx", ""),
        ("registry.k8s.io/pause:3.10", ""),
        ("localhost:5000/a/b_c@sha256:abc", ""),
        ("python://module:function", ""),
        ("NGINX", "repository name (library/NGINX) must be lowercase"),
        ("gcr.io/Foo/bar", "repository name (Foo/bar) must be lowercase"),
        ("nginx:", "invalid reference format"),
        ("nginx:a b", "invalid reference format"),
        ("", "invalid reference format"),
        ("a//b", "invalid reference format"),
    ],
    ids=["short", "full", "digest", "python", "upper", "upper-path", "no-tag", "blank", "empty",
         "slashes"],
)  # fmt: skip
def test_invalid_image_names(image, why):
    text = image_pull.invalid_name(image)
    assert text.endswith(why)
    assert bool(text) is bool(why)
