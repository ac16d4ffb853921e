import pytest
from cluster_facts import node_info, pod_info, scores

from controlplane.scheduler.framework.plugins.image_locality import ImageLocality

MIB = 1024 * 1024


def having(name, **images):
    node = node_info(name)
    node.images = {f"{image}:1": size * MIB for image, size in images.items()}
    return node


def wanting(*images):
    return pod_info(containers=[{"name": image, "image": f"{image}:1"} for image in images])


@pytest.mark.parametrize(
    ("images", "nodes", "expected"),
    [
        # The image is on one of two nodes: half of its size counts; (x - 23) of (1000 - 23).
        (["a"], [{"a": 250}, {}], [(125 - 23) * 100 // 977, 0]),
        (["a"], [{"a": 10}, {}], [0, 0]),  # Too small to matter.
        (["a"], [{"a": 4000}, {}], [100, 0]),
        (["a", "b"], [{"a": 500, "b": 500}, {"b": 500}], [(750 - 23) * 100 // 1977, 24]),
        (["c"], [{"a": 500}, {}], None),
    ],
)
def test_score(images, nodes, expected):
    known = [having(f"n{i}", **each) for i, each in enumerate(nodes)]
    assert scores(ImageLocality(lambda: known), wanting(*images), known) == expected


def test_a_name_without_a_tag_is_the_latest():
    node = node_info("n")
    node.images = {"registry:5000/web:latest": 1000 * MIB}
    pod = pod_info(containers=[{"name": "c", "image": "registry:5000/web"}])
    assert scores(ImageLocality(lambda: [node]), pod, [node]) == [100]
