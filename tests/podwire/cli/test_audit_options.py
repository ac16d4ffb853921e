"""What `podwire up` is told about the audit log."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from podwire.cli.audit_options import AuditWish, audit_options
from podwire.cli.up import up
from podwire.cluster.layout import UsageError

POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"


@click.command()
@audit_options
def told(audit_wish: AuditWish) -> None:
    click.echo(repr((audit_wish.policy, audit_wish.log)))


def test_the_policy_is_read_and_the_place_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    done = CliRunner().invoke(told, ["--audit-policy", "policy.yaml", "--audit-log", "log"])
    assert done.output.strip() == repr((POLICY, str(tmp_path / "log")))
    assert CliRunner().invoke(told, []).output.strip() == "('', '')"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--audit-policy", "none.yaml"], "No such file"),
        (["--audit-policy", "wrong.yaml"], "no rules"),
        (
            ["--audit-policy", "right.yaml", "--audit-log", "none/log"],
            "is no directory; make it first",
        ),
    ],
)
def test_nonsense_is_refused(words, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.yaml").write_text(POLICY)
    (tmp_path / "wrong.yaml").write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\n")
    done = CliRunner().invoke(told, words)
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


def test_a_log_needs_a_policy(tmp_path, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    done = CliRunner().invoke(up, ["--audit-log", str(tmp_path / "log")])
    assert isinstance(done.exception, UsageError)
    assert "--audit-policy" in str(done.exception)
