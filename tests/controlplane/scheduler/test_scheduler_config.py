"""KubeSchedulerConfiguration: what profiles are made of, and what is said of wrong ones."""

import pytest
from cluster_facts import World, node_info, pod_info

from controlplane.scheduler.framework.registry import REGISTRY
from controlplane.scheduler.scheduler_config import DEFAULT, BadConfiguration, parse

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


class Lowest:
    """A user's plugin: the node whose name is last, and none that is called `no`."""

    name = "Lowest"

    def __init__(self, config, handle):
        self.avoid, self.handle = config.get("avoid", ""), handle

    def filter(self, _state, _pod, node):
        from controlplane.scheduler.framework.interface import Rejection

        return Rejection(("node(s) were avoided",)) if node.name == self.avoid else None

    def score(self, _state, _pod, node):
        return sorted(each.name for each in self.handle.nodes()).index(node.name)


class Nameless:
    def __init__(self, config, handle):
        pass


@pytest.fixture
def configured():
    return lambda text: parse(HEAD + text)


def names(world, point, scheduler="default-scheduler"):
    pod = pod_info(schedulerName=scheduler)
    return [plugin.name for plugin in world.profiles.of(pod)[0].plugins[point]]


def test_the_default_profile_is_upstreams():
    world = World()
    assert names(world, "filter") == [
        "NodeUnschedulable",
        "NodeName",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "VolumeRestrictions",
        "NodeVolumeLimits",
        "VolumeBinding",
        "VolumeZone",
        "PodTopologySpread",
        "InterPodAffinity",
    ]
    framework, _ = world.profiles.of(pod_info())
    assert {plugin.name: weight for plugin, weight in framework.score} == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }
    assert names(world, "postFilter") == ["DefaultPreemption"]
    assert DEFAULT.profiles[0].schedulerName == "default-scheduler"


PROFILES = """
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  plugins:
    multiPoint:
      disabled: [{name: ImageLocality}]
    score:
      enabled: [{name: NodeResourcesFit, weight: 5}]
      disabled: [{name: PodTopologySpread}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated}}
"""


def test_profiles_stand_side_by_side(configured):
    nodes = [node_info("used", [pod_info("x", cpu="2", memory="4Gi")]), node_info("empty")]
    world = World(nodes, config=configured(PROFILES))
    assert world.schedule(pod_info("a", cpu="1", memory="1Gi")).node_name == "empty"
    packed = pod_info("b", cpu="1", memory="1Gi", schedulerName="packing")
    assert world.schedule(packed).node_name == "used"
    assert names(world, "score", "packing") == [
        "NodeResourcesFit",  # Named here, too: it comes first.
        "TaintToleration",
        "NodeAffinity",
        "InterPodAffinity",
        "NodeResourcesBalancedAllocation",
    ]
    assert "PodTopologySpread" in names(world, "filter", "packing")


def test_everything_off_but_what_is_named(configured):
    text = "profiles: [{plugins: {filter: {disabled: [{name: '*'}], enabled: [{name: NodeName}]}}}]"
    assert names(World(config=configured(text)), "filter") == ["NodeName"]


def test_a_plugin_of_ones_own_is_a_class(configured):
    text = f"""
profiles:
- plugins: {{multiPoint: {{enabled: [{{name: "{__name__}:Lowest", weight: 100}}]}}}}
  pluginConfig: [{{name: "{__name__}:Lowest", args: {{avoid: c}}}}]
"""
    world = World([node_info(name) for name in "abc"], config=configured(text))
    found = world.schedule(pod_info())
    assert found.node_name == "b"
    assert {name: no.plugin for name, no in found.refusals.items()} == {"c": "Lowest"}
    assert found.scored.by_plugin["Lowest"] == [0, 100]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profiles: [", "no YAML"),
        ("profiles: " + "[" * 300, "no YAML"),
        ("profilez: []", "unknown field `profilez`"),
        ("profiles: []", "at least one"),
        ("profiles: [{}, {}]", "same schedulerName"),
        ("profiles: [{plugins: {preSort: {}}}]", "there is no extension point preSort"),
        ("extenders: [{urlPrefix: x}]", "extenders are not supported"),
        ("podInitialBackoffSeconds: 0", "podInitialBackoffSeconds"),
        ("podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 1", "podMaxBackoffSeconds"),
        ("percentageOfNodesToScore: 101", "percentageOfNodesToScore"),
        ("profiles: [{pluginConfig: [{name: A}, {name: A}]}]", "named twice"),
    ],
    ids=lambda value: None,
)
def test_a_file_that_cannot_be_followed_is_one_line(configured, text, says):
    with pytest.raises(BadConfiguration) as wrong:
        configured(text)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("text", ["apiVersion: v1\nkind: Pod\n", "- a\n", "\x00"])
def test_other_texts_are_refused(text):
    with pytest.raises(BadConfiguration):
        parse(text)


def test_no_text_is_the_default():
    assert parse("") is DEFAULT


def args_of(plugin, text):
    return f"profiles: [{{pluginConfig: [{{name: {plugin}, args: {text}}}]}}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profiles: [{plugins: {filter: {enabled: [{name: Unknown}]}}}]", "no plugin Unknown"),
        ("profiles: [{plugins: {filter: {enabled: [{name: ImageLocality}]}}}]", "extend filter"),
        ("profiles: [{plugins: {filter: {enabled: [{name: 'no.such:Class'}]}}}]", "PYTHONPATH"),
        ("profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]", "no bind plugin is left"),
        ("profiles: [{plugins: {queueSort: {disabled: [{name: '*'}]}}}]", "no queueSort plugin"),
        (
            f"profiles: [{{plugins: {{filter: {{enabled: [{{name: '{__name__}:Nameless'}}]}}}}}}]",
            "no attribute `name`",
        ),
        (args_of("NodeResourcesFit", "{scoringStrategy: {type: Best}}"), "Best"),
        (args_of("NodeResourcesFit", "{scoringStrategy: {resources: [{name: a, weight: 0}]}}"),
         "range [1, 100]"),
        (args_of("NodeResourcesFit", "{scoringStrategy: {type: RequestedToCapacityRatio}}"),
         "requestedToCapacityRatio"),
        (args_of("InterPodAffinity", "{hardPodAffinityWeight: 101}"), "range [0, 100]"),
        (args_of("DefaultPreemption", "{minCandidateNodesPercentage: 0, "
                 "minCandidateNodesAbsolute: 0}"), "cannot both be 0"),
        (args_of("PodTopologySpread", "{defaultConstraints: [{topologyKey: a, maxSkew: 1}]}"),
         "defaultConstraints must be empty"),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_profile_that_cannot_be_made_is_one_line(configured, text, says):
    config = configured(text)
    with pytest.raises(BadConfiguration) as wrong:
        World(config=config)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_every_plugin_is_known_by_its_own_name():
    world = World()
    made = {
        each.name for group in world.profiles.of(pod_info())[0].plugins.values() for each in group
    }
    assert made == set(REGISTRY)
