"""docs/scheduler.md: what it tells people to write works as it stands there."""

import re
import sys
from pathlib import Path

import yaml
from cluster_facts import World, node_info, pod_info

from controlplane.scheduler.framework.registry import REGISTRY
from controlplane.scheduler.scheduler_config import parse

PAGE = (Path(__file__).parents[3] / "docs/scheduler.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def configured(profiles):
    head = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    return parse(yaml.safe_dump({**head, **profiles}))


def test_the_plugin_of_the_page_keeps_nodes_free(tmp_path, monkeypatch):
    (tmp_path / "keep_free.py").write_text(blocks("python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "keep_free", raising=False)
    (text,) = (each for each in blocks("yaml") if "keep_free" in each)
    reserved = node_info("a", labels={"example.com/reserved": "yes"})
    world = World([reserved, node_info("b")], config=configured(yaml.safe_load(text)))
    assert world.schedule(pod_info()).node_name == "b"
    found = World([reserved], config=configured(yaml.safe_load(text))).schedule(pod_info())
    assert found.message.startswith("0/1 nodes are available: 1 node(s) were kept free.")


def test_the_profiles_of_the_page_can_be_made():
    (text,) = (each for each in blocks("yaml") if "packing" in each)
    assert list(World(config=parse(text)).profiles.names) == ["default-scheduler", "packing"]


def test_every_plugin_stands_in_the_table():
    rows = re.findall(r"^\| ([A-Z][A-Za-z, ]+) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} == set(REGISTRY)
