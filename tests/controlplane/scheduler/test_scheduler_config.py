"""KubeSchedulerConfiguration: what profiles are made of, and what is said of wrong ones."""

import pytest
from cluster_facts import World, node_info, pod_info

from controlplane.scheduler.framework.registry import REGISTRY
from controlplane.scheduler.scheduler_config import DEFAULT, BadConfiguration, parse, resolve

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


def args_of(plugin, text):
    return f"profiles: [{{pluginConfig: [{{name: {plugin}, args: {text}}}]}}]"


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
        ("profilez: []", 'strict decoding error: unknown field "profilez"'),
        ("profiles: [{plugin: {}}]", 'strict decoding error: unknown field "profiles[0].plugin"'),
        ("profiles: [{}, {}]", "profiles[0].schedulerName: Required value"),
        ("profiles: [{plugins: {preSort: {}}}]",
         'profiles[0].plugins.preSort: Unsupported value: "preSort": supported values: '),
        ("extenders: [{urlPrefix: x}]", "extenders are not supported"),
        ("podInitialBackoffSeconds: 0",
         "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"),
        ("podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 1",
         "podMaxBackoffSeconds: Invalid value: 1: must be greater than or equal to "
         "PodInitialBackoffSeconds"),
        ("percentageOfNodesToScore: 101",
         "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]"),
        ("profiles: [{percentageOfNodesToScore: -1}]",
         "profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]"),
        ("profiles: [{pluginConfig: [{name: A}, {name: A}]}]",
         'profiles[0].pluginConfig[1]: Duplicate value: "A"'),
        ("parallelism: 0",
         "parallelism: Invalid value: 0: should be an integer value greater than zero"),
        ("leaderElection: {resourceLock: configmaps}",
         'leaderElection.resourceLock: Invalid value: "configmaps": resourceLock value must be '
         '"leases"'),
        ("profiles: [{schedulerName: a}, {schedulerName: a}]",
         'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"'),
        ("profiles: [{schedulerName: a}, {schedulerName: b, plugins: "
         "{queueSort: {enabled: [{name: X}]}}}]",
         "profiles[1].plugins.queueSort: Invalid value: "),
        ("profiles: [{plugins: {queueSort: {enabled: [{name: A}, {name: B}]}}}]",
         "profiles[0].plugins.queueSort.Enabled: Invalid value: 2: only one queue sort plugin can "
         "be enabled"),
        ("profiles: [{plugins: {filter: {enabled: [{name: A}, {name: A}]}}}]",
         'profiles[0].plugins.filter.enabled[1]: Duplicate value: "A"'),
        ("profiles: [{plugins: {score: {enabled: [{name: A, weight: -1}]}}}]",
         "profiles[0].plugins.score.enabled[0].weight: Invalid value: -1: must not be negative"),
        ("profiles: [{plugins: {filter: {enabled: [{name: EBSLimits}]}}}]",
         'profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in '),
        ("parallelism: -1\npercentageOfNodesToScore: -1",
         "[parallelism: Invalid value: -1: should be an integer value greater than zero, "
         "percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]]"),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_file_that_cannot_be_followed_is_one_line(configured, text, says):
    with pytest.raises(BadConfiguration) as wrong:
        configured(text)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("text", ["apiVersion: v1\nkind: Pod\n", "- a\n", "\x00"])
def test_other_texts_are_refused(text):
    with pytest.raises(BadConfiguration):
        parse(text)


def test_no_text_is_the_default(configured):
    assert parse("") is DEFAULT
    assert configured("profiles: []") == configured("profiles: [{}]") == configured("") == DEFAULT


TWICE = "[{utilization: 5, score: 1}, {utilization: 5, score: 2}]"
SHAPE = "{type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: %s}}"
RATIO = "scoringStrategy.requestedToCapacityRatio"


@pytest.mark.parametrize(
    ("plugin", "text", "says"),
    [
        ("DefaultPreemption", "{minCandidateNodesPercentage: -1}",
         "minCandidateNodesPercentage: Invalid value: -1: not in valid range [0, 100]"),
        ("DefaultPreemption", "{minCandidateNodesPercentage: 900}",
         "minCandidateNodesPercentage: Invalid value: 900: not in valid range [0, 100]"),
        ("DefaultPreemption", "{minCandidateNodesAbsolute: -1}",
         "minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf)"),
        ("DefaultPreemption", "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}",
         "minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as "
         "minCandidateNodesAbsolute"),
        ("InterPodAffinity", "{hardPodAffinityWeight: -1}",
         "hardPodAffinityWeight: Invalid value: -1: not in valid range [0, 100]"),
        ("InterPodAffinity", "{hardPodAffinityWeight: 101}",
         "hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]"),
        ("PodTopologySpread", "{defaultConstraints: [{topologyKey: node, maxSkew: 1, "
         "whenUnsatisfiable: ScheduleAnyway}]}",
         'defaultingType: Invalid value: "System": when .defaultConstraints are not empty'),
        ("PodTopologySpread", "{defaultingType: Magic}",
         'defaultingType: Unsupported value: "Magic": supported values: "System", "List"'),
        ("PodTopologySpread", "{defaultingType: List, defaultConstraints: [{topologyKey: node, "
         "maxSkew: -1, whenUnsatisfiable: DoNotSchedule}]}",
         "defaultConstraints[0].maxSkew: Invalid value: -1: not in valid range (0, inf)"),
        ("PodTopologySpread", "{defaultingType: List, defaultConstraints: [{maxSkew: 1, "
         "whenUnsatisfiable: DoNotSchedule}]}",
         "defaultConstraints[0].topologyKey: Required value: can not be empty"),
        ("PodTopologySpread", "{defaultingType: List, defaultConstraints: [{maxSkew: 1, "
         "topologyKey: node}]}",
         "defaultConstraints[0].whenUnsatisfiable: Required value: can not be empty"),
        ("PodTopologySpread", "{defaultingType: List, defaultConstraints: [{maxSkew: 1, "
         "topologyKey: node, whenUnsatisfiable: unknown}]}",
         'defaultConstraints[0].whenUnsatisfiable: Unsupported value: "unknown": supported values: '
         '"DoNotSchedule", "ScheduleAnyway"'),
        ("PodTopologySpread", "{defaultingType: List, defaultConstraints: [{maxSkew: 1, "
         "topologyKey: node, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]}",
         "defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, "
         "as they deduced for each pod"),
        ("PodTopologySpread", "{defaultingType: List, defaultConstraints: [&a {maxSkew: 1, "
         "topologyKey: node, whenUnsatisfiable: DoNotSchedule}, *a]}",
         'defaultConstraints[1]: Duplicate value: "{node, DoNotSchedule}"'),
        ("NodeResourcesFit", "{scoringStrategy: {type: Best}}",
         'scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", '
         '"MostAllocated", "RequestedToCapacityRatio"'),
        ("NodeResourcesFit", "{scoringStrategy: {resources: [{name: a, weight: 101}]}}",
         "scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of a not in "
         "valid range (0, 100]"),
        ("NodeResourcesFit", "{scoringStrategy: {type: RequestedToCapacityRatio}}",
         f"{RATIO}: Required value: must be specified when type is RequestedToCapacityRatio"),
        ("NodeResourcesFit", "{scoringStrategy: {requestedToCapacityRatio: {shape: []}}}",
         f"{RATIO}: Forbidden: must be nil when type is not RequestedToCapacityRatio"),
        ("NodeResourcesFit", f"{{scoringStrategy: {SHAPE % '[]'}}}",
         f"{RATIO}.shape: Required value: at least one point must be specified"),
        ("NodeResourcesFit",
         f"{{scoringStrategy: {SHAPE % TWICE}}}",
         f"{RATIO}.shape[1].utilization: Invalid value: 5: values must be sorted in increasing "
         "order"),
        ("NodeResourcesFit", f"{{scoringStrategy: {SHAPE % '[{utilization: 101, score: 1}]'}}}",
         f"{RATIO}.shape[0].utilization: Invalid value: 101: not in valid range [0, 100]"),
        ("NodeResourcesFit", f"{{scoringStrategy: {SHAPE % '[{utilization: 1, score: 11}]'}}}",
         f"{RATIO}.shape[0].score: Invalid value: 11: not in valid range [0, 10]"),
        ("NodeResourcesFit", "{ignoredResourceGroups: [example.com/foo]}",
         "ignoredResourceGroups[0]: Invalid value: \"example.com/foo\": resource group name can't "
         "contain '/'"),
        ("NodeResourcesFit", "{ignoredResources: [-bad]}",
         'ignoredResources[0]: Invalid value: "-bad": name part must consist of'),
        ("NodeResourcesBalancedAllocation", "{resources: [{name: cpu, weight: 2}]}",
         "resources[0].weight: Invalid value: 2: must be 1"),
        ("NodeResourcesBalancedAllocation", "{resources: [{name: cpu}, {name: cpu}]}",
         'resources[1].name: Duplicate value: "cpu"'),
        ("VolumeBinding", "{bindTimeoutSeconds: -10}",
         "bindTimeoutSeconds: Invalid value: -10: invalid BindTimeoutSeconds, should not be a "
         "negative value"),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_arguments_that_make_no_sense(configured, plugin, text, says):
    """Upstream's validation_pluginargs_test.go."""
    with pytest.raises(BadConfiguration) as wrong:
        configured(args_of(plugin, text))
    assert str(wrong.value).removeprefix("[").startswith(f"profiles[0].pluginConfig[0].args.{says}")
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        ("NodeAffinity", "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
         "{nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Near}]}]}}}"),
        ("NodeAffinity", "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: []}}"),
        ("VolumeBinding", "{bindTimeoutSeconds: soon}"),
        ("InterPodAffinity", "{weight: 1}"),
    ],
)  # fmt: skip
def test_arguments_of_another_shape(configured, plugin, text):
    with pytest.raises(BadConfiguration, match=r"^profiles\[0\].pluginConfig\[0\].args"):
        configured(args_of(plugin, text))


def test_a_weight_or_a_list_that_is_empty_is_the_default(configured):
    text = "{scoringStrategy: {resources: [{name: cpu, weight: 0}, {name: memory}]}}"
    configured(args_of("NodeResourcesFit", text))
    world = World(
        config=configured(args_of("NodeResourcesFit", "{scoringStrategy: {resources: []}}"))
    )
    assert "NodeResourcesFit" in names(world, "score")


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
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_profile_that_cannot_be_made_is_one_line(configured, text, says):
    config = configured(text)
    with pytest.raises(BadConfiguration) as wrong:
        World(config=config)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Unknown", "profile default-scheduler: there is no plugin Unknown"),
        ("no.such:Class", "ModuleNotFoundError: No module named 'no'; is its folder in PYTHONPATH"),
        (f"{__name__}:Absent", "has no attribute 'Absent'"),
        (f"{__name__}:HEAD", "is no class"),
    ],
)
def test_plugins_are_looked_for_before_a_cluster_is_made(configured, name, says):
    config = configured(f"profiles: [{{plugins: {{filter: {{enabled: [{{name: '{name}'}}]}}}}}}]")
    with pytest.raises(BadConfiguration) as wrong:
        resolve(config)
    assert says in str(wrong.value)
    resolve(configured(PROFILES))


def test_every_plugin_is_known_by_its_own_name():
    world = World()
    made = {
        each.name for group in world.profiles.of(pod_info())[0].plugins.values() for each in group
    }
    assert made == set(REGISTRY)
