"""The one-shot setup: made once, kept, and refused when it would not be this cluster's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kubeapi.client.kubeconfig import read_kubeconfig
from podwire.cluster.layout import UsageError
from podwire.compose import hosts, setup
from podwire.compose.settings import Settings

HOSTS = [*hosts.control_plane_names(), *hosts.etcd_names(), *hosts.node_names()]


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Return what the setup's container has mounted, everything still empty."""
    for name in (*HOSTS, hosts.BALANCER, hosts.AUTHORITIES, "compose", "kubeconfig"):
        (tmp_path / name).mkdir()
    return tmp_path


def run(volumes: Path, settings: Settings | None = None, *, ha: bool = False) -> None:
    if ha:
        (volumes / hosts.AUTHORITIES / "ha-wanted").touch()
    mask = os.umask(0o022)
    try:
        setup.run(volumes, settings or Settings(), user=os.geteuid())
    finally:
        os.umask(mask)


def contents(volumes: Path) -> dict[str, bytes]:
    files = (path for path in volumes.rglob("*") if path.is_file())
    return {str(path.relative_to(volumes)): path.read_bytes() for path in files}


def test_empty_volumes_are_filled_and_a_second_run_keeps_them(volumes: Path) -> None:
    run(volumes)
    first = contents(volumes)
    assert {"node-3/pki/kubelet.key", "etcd-1/etcd.json", "kubeconfig/kubeconfig"} <= set(first)
    assert not [name for name in first if name.startswith(("etcd-2", "control-plane-2"))]
    run(volumes)
    assert contents(volumes) == first


def test_nobody_else_reads_what_was_made(volumes: Path) -> None:
    run(volumes)
    for name in contents(volumes):
        mode = stat.S_IMODE((volumes / name).stat().st_mode)
        assert mode & 0o077 == 0, name


def test_each_host_has_its_own_keys_and_masters_alone_the_authoritys(volumes: Path) -> None:
    run(volumes)
    keys = [path for path in contents(volumes) if path.endswith(".key")]
    elsewhere = [key for key in keys if "ca.key" in key and not key.startswith(hosts.AUTHORITIES)]
    assert elsewhere == ["control-plane-1/pki/ca.key"]  # The controller manager signs.
    shared = ("/sa.key", "control-plane-1/pki/ca.key")
    octets = [(volumes / key).read_bytes() for key in keys if not key.endswith(shared)]
    assert len(set(octets)) == len(octets)


def test_all_masters_sign_tokens_with_one_key(volumes: Path) -> None:
    run(volumes, ha=True)
    names = [name for name in contents(volumes) if name.endswith("/sa.key")]
    masters = {f"control-plane-{number}" for number in (1, 2, 3)}
    assert {name.split("/")[0] for name in names} == {*masters, hosts.AUTHORITIES}
    assert len({(volumes / name).read_bytes() for name in names}) == 1


def test_kubeconfig_names_the_published_port(volumes: Path) -> None:
    run(volumes, Settings(api_port=7443))
    config = read_kubeconfig(volumes / "kubeconfig" / "kubeconfig")
    assert config.server == "https://127.0.0.1:7443"


def test_three_masters_when_the_profile_asked(volumes: Path) -> None:
    run(volumes, ha=True)
    made = contents(volumes)
    assert {"etcd-3/etcd.json", "control-plane-3/apiserver.json"} <= set(made)
    assert {"node-1/balancer.json", "balancer/balancer.json"} <= set(made)
    node = read_kubeconfig(hosts.Files(volumes / "node-1").kubeconfig("kubelet"))
    assert node.server == "https://127.0.0.1:6443"
    host = read_kubeconfig(volumes / "kubeconfig" / "kubeconfig")
    assert host.server == "https://127.0.0.1:6444"
    run(volumes, ha=True)
    assert contents(volumes) == made


def test_one_master_does_not_become_three(volumes: Path) -> None:
    run(volumes)
    before = contents(volumes)
    with pytest.raises(UsageError, match="this cluster has one master"):
        run(volumes, ha=True)
    assert contents(volumes) == before


def test_three_masters_stay_three_when_only_one_service_is_started(
    volumes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(volumes, ha=True)
    before = contents(volumes)
    run(volumes)
    assert contents(volumes) == before
    assert "--profile ha up starts them all" in capsys.readouterr().out


def test_the_network_stays(volumes: Path) -> None:
    run(volumes)
    with pytest.raises(UsageError, match=r"set PODWIRE_NETWORK=192\.168\.64"):
        run(volumes, Settings(network="10.0.0"))


@pytest.mark.parametrize("host", ["etcd-1", "node-2"])
def test_a_volume_with_foreign_data_is_refused(volumes: Path, host: str) -> None:
    (volumes / host / "member").write_text("of another cluster")
    with pytest.raises(UsageError, match=f"the volume {host} holds the data of another cluster"):
        run(volumes)
    assert set(contents(volumes)) == {f"{host}/member"}


def test_new_authorities_do_not_take_over_an_old_etcd(volumes: Path) -> None:
    run(volumes)
    for path in sorted((volumes / hosts.AUTHORITIES).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(UsageError, match="data of another cluster"):
        run(volumes)


@pytest.mark.parametrize("name", ["cluster.json", "pki/ca.crt"])
def test_damaged_authorities_are_told_from_new_ones(volumes: Path, name: str) -> None:
    run(volumes)
    (volumes / hosts.AUTHORITIES / name).write_text("?")
    with pytest.raises(UsageError, match="is damaged; docker compose"):
        run(volumes)


def test_another_family_than_the_clusters_is_refused_and_changes_nothing(volumes: Path) -> None:
    run(volumes)
    before = contents(volumes)
    with pytest.raises(UsageError, match="PODWIRE_IP_FAMILY=ipv4, or"):
        run(volumes, Settings(ip_family="dual"))
    assert contents(volumes) == before
