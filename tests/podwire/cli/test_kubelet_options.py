"""What `podwire up` is told about nodes."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from podwire.cli.kubelet_options import KubeletWish, kubelet_options
from podwire.cluster.layout import UsageError

CONFIG = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 20\n"


@click.command()
@kubelet_options
def told(kubelet_wish: KubeletWish) -> None:
    click.echo(repr((kubelet_wish.config, kubelet_wish.image_bandwidth_bit_s)))


def test_the_file_is_read_and_the_rate_understood(tmp_path):
    path = tmp_path / "kubelet.yaml"
    path.write_text(CONFIG)
    words = ["--kubelet-config", str(path), "--image-bandwidth", "100mbit"]
    assert CliRunner().invoke(told, words).output.strip() == repr((CONFIG, 1e8))
    assert CliRunner().invoke(told, []).output.strip() == "('', 0.0)"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--kubelet-config", "none.yaml"], "No such file"),
        (["--kubelet-config", "wrong.yaml"], "unsupported eviction signal"),
        (["--image-bandwidth", "0bit"], "above 0"),
        (["--node-disk", "much"], "write 4, 500m or 8Gi"),
    ],
    ids=["missing", "wrong", "zero", "disk"],
)
def test_nonsense_is_refused(words, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text(CONFIG + "evictionHard: {cpu: '1'}\n")
    done = CliRunner().invoke(told, words)
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)
