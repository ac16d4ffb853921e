"""`podwire certs`, as it is typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from podwire.cli.certs import certs, residual
from podwire.cluster import make
from podwire.cluster.layout import Cluster, Layout, UsageError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return who types, with a cluster that has never been started."""
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    make.make(Cluster(name="podwire", nodes=1), Layout.of("podwire"))

    def run(*words):
        done = CliRunner().invoke(certs, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_when_certificates_end(run):
    lines = run("check-expiration").splitlines()
    assert lines[0].split() == ["CERTIFICATE", "EXPIRES", "RESIDUAL", "TIME", *lines[0].split()[4:]]
    by_name = {line.split()[0]: line for line in lines[1:]}
    assert by_name["apiserver"].split()[-2:] == ["364d", "ca"]
    assert by_name["ca"].split()[-1] == "9y"
    (found,) = (each for each in json.loads(run("check-expiration", "-o", "json"))
                if each["name"] == "scheduler.conf")  # fmt: skip
    assert found["authority"] == "ca"
    assert 364 * 86_400 < found["residual_s"] <= 365 * 86_400


def test_certificates_are_renewed_by_name_or_all(run):
    before = Layout.of("podwire").certificate("apiserver").read_bytes()
    assert run("renew", "apiserver") == "apiserver renewed\n"
    assert Layout.of("podwire").certificate("apiserver").read_bytes() != before
    said = run("renew", "all").splitlines()
    assert "admin.conf renewed" in said
    assert said[-1].startswith("clients take up their new certificates when they start")
    with pytest.raises(UsageError, match="there is no certificate nobody"):
        run("renew", "nobody")


@pytest.mark.parametrize(
    ("left_s", "text"),
    [(-1, "<invalid>"), (0, "<invalid>"), (3600, "1h"), (86_400, "1d"), (9 * 365 * 86_400, "9y")],
)
def test_how_long_is_said(left_s, text):
    assert residual(left_s) == text
