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
