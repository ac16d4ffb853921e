import stat

import pytest
import yaml

from kubeapi.client import (
    ClientConfig,
    KubeconfigError,
    in_cluster_config,
    read_kubeconfig,
    write_kubeconfig,
)


def written(tmp_path, **changes):
    path = tmp_path / "kubeconfig"
    given = {
        "server": "https://127.0.1.251:6443",
        "ca_pem": "CA",
        "certificate_pem": "CERT",
        "key_pem": "KEY",
        "cluster_name": "lab",
        "user_name": "admin",
    }
    write_kubeconfig(path, **{**given, **changes})
    return path


def test_what_is_written_is_read(tmp_path):
    path = written(tmp_path)
    assert read_kubeconfig(path) == ClientConfig(
        server="https://127.0.1.251:6443",
        ca_pem="CA",
        certificate_pem="CERT",
        key_pem="KEY",
        user_name="admin",
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text())["current-context"] == "admin@lab"


def test_files_are_relative_to_the_kubeconfig(tmp_path):
    (tmp_path / "ca.crt").write_text("CA-FILE")
    path = written(tmp_path)
    config = yaml.safe_load(path.read_text())
    config["clusters"][0]["cluster"] = {"server": "https://x/", "certificate-authority": "ca.crt"}
    path.write_text(yaml.safe_dump(config))
    assert read_kubeconfig(path).ca_pem == "CA-FILE"
    assert read_kubeconfig(path).server == "https://x"


def test_ca_from_a_file(tmp_path):
    (tmp_path / "ca.crt").write_text("CA-FILE")
    assert read_kubeconfig(written(tmp_path, ca_pem="", ca_file=tmp_path / "ca.crt")).ca_pem


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "contexts: []",
        "contexts: [{name: a, context: {cluster: b, user: c}}]\nclusters: []",
        "contexts: [{name: a, context: {cluster: b, user: c}}]\n"
        "clusters: [{name: b, cluster: {server: s, certificate-authority-data: '***'}}]\n"
        "users: [{name: c, user: {}}]",
    ],
)
def test_what_is_no_kubeconfig_says_which_file(tmp_path, text):
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match="broken"):
        read_kubeconfig(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(KubeconfigError, match="No such file"):
        read_kubeconfig(tmp_path / "missing")


def test_a_pod_finds_its_server_and_its_account(tmp_path, monkeypatch):
    monkeypatch.setattr("kubeapi.client.kubeconfig._SERVICE_ACCOUNT", str(tmp_path))
    found = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(KubeconfigError, match="must be defined"):
        in_cluster_config({})
    with pytest.raises(KubeconfigError, match=r"ca\.crt: No such file"):
        in_cluster_config(found)
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "token").write_text("T")
    config = in_cluster_config(found)
    assert (config.server, config.ca_pem) == ("https://10.96.0.1:443", "CA")
    assert config.token_file == str(tmp_path / "token")
    six = in_cluster_config({**found, "KUBERNETES_SERVICE_HOST": "fd00::1"})
    assert six.server == "https://[fd00::1]:443"
