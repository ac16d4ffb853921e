import stat

import pytest
import yaml

from kubeapi.client import ClientConfig, KubeconfigError, read_kubeconfig, write_kubeconfig


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
