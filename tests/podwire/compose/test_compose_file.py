"""compose.yaml and the Dockerfile, read without an engine: privileges, addresses, commands.

Where the compose command is installed it has to accept the file, too.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from podwire.cluster import layout
from podwire.compose import health, hosts, settings
from podwire.compose.settings import NODES

ROOT = Path(__file__).resolve().parents[3]
FILE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
ONE_SHOT = ("setup", "ha", "loadgen")
DEFAULT = {"setup", "etcd", "apiserver", "scheduler", "controller-manager"} | set(
    hosts.node_names()
)

every_service = pytest.mark.parametrize("name", SERVICES)


def test_what_starts_without_a_profile() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == DEFAULT
    assert len(hosts.node_names()) == NODES


@every_service
def test_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & set(service)
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name == "setup":
        kept = {"CHOWN", "DAC_OVERRIDE"}
        assert not kept & set(service["cap_drop"])
        assert service["network_mode"] == "none"
    else:
        assert service["cap_drop"] == ["ALL"]
    if service.get("user", "10001:10001") != "10001:10001":
        assert name in ("setup", "ha")


@every_service
def test_what_lasts_is_restarted_and_looked_after(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
        return
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["depends_on"]["setup"]["condition"] == "service_completed_successfully"


def test_every_choice_is_handed_to_the_setup() -> None:
    read = set(re.findall(r'"(PODWIRE_[A-Z_0-9]+)"', Path(settings.__file__).read_text()))
    assert read == {name for name in SERVICES["setup"]["environment"] if name[:8] == "PODWIRE_"}
    for name in read:
        default = re.fullmatch(rf"\$\{{{name}:-(.*)\}}", SERVICES["setup"]["environment"][name])
        assert default is not None
        assert settings.from_environment({name: default[1]}) == settings.Settings()


@every_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        address = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port).partition(":")[0]
        assert address.startswith("127."), port


def test_addresses_are_the_ones_that_configurations_name() -> None:
    found = {
        name: int(service["networks"]["underlay"]["ipv4_address"].rpartition(".")[2])
        for name, service in SERVICES.items()
        if isinstance(service.get("networks"), dict)
    }
    numbers = range(1, 4)
    wanted = {node: number for number, node in enumerate(hosts.node_names(), 1)}
    for number in numbers:
        suffix = "" if number == 1 else f"-{number}"
        wanted[f"etcd{suffix}"] = hosts.etcd_host(number)
        wanted[f"apiserver{suffix}"] = hosts.control_plane_host(number)
    wanted["balancer"] = 250
    assert found == wanted
    gateway = FILE["networks"]["underlay"]["ipam"]["config"][0]["gateway"]
    assert gateway.endswith(f".{layout.OUTSIDE_HOST}")


@every_service
def test_commands_and_health_checks_name_what_there_is(name: str) -> None:
    service = SERVICES[name]
    command = service["command"]
    if command[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(command[2]), command
    check = service.get("healthcheck", {}).get("test", [])
    if "health" in check and "podwire.compose" in check:
        assert check[-1] in health.QUESTIONS


@every_service
def test_volumes_are_declared_and_keys_are_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        if isinstance(volume, dict):  # etcd's, which holds its data.
            assert volume["source"] in FILE["volumes"]
            continue
        source, _, target = volume.rpartition("}")[2].partition(":")
        assert source in FILE["volumes"] or not source
        if target.startswith(str(hosts.MOUNT)):
            assert target.endswith(":ro")


def test_the_dockerfile_needs_no_frontend_and_runs_as_nobody() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert not [line for line in lines if line.startswith("# syntax")]
    assert [line for line in lines if line.startswith("FROM")] == ["FROM python:3.13-slim"]
    assert "USER 10001:10001" in lines
    installs = [line for line in lines if "pip install" in line]
    assert all("--no-deps" in line for line in installs)
    assert "--require-hashes" in installs[0]


@pytest.mark.parametrize("profile", ["", "ha", "load"])
def test_compose_accepts_the_file(profile: str) -> None:
    docker = shutil.which("docker")
    probe = [docker or "docker", "compose", "version"]
    if docker is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    options = ["--profile", profile] if profile else []
    command = [docker, "compose", "-f", str(ROOT / "compose.yaml"), *options, "config", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
