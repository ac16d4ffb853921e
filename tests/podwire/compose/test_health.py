"""Health: what counts as a connection to an API server, and how "no" is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from podwire.compose import health


def test_an_established_connection_is_found_in_the_kernels_table() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not health.has_connection(Path("/proc/net/tcp").read_text(), port)
        with socket.create_connection(("127.0.0.1", port)):
            assert health.has_connection(Path("/proc/net/tcp").read_text(), port)


def test_a_connection_that_is_being_made_does_not_count() -> None:
    table = "  sl  local_address rem_address   st\n   0: 0340A8C0:9C40 FB40A8C0:192B {} 0\n"
    assert health.has_connection(table.format("01"), 6443)
    assert not health.has_connection(table.format("02"), 6443)
    assert not health.has_connection(table.format("01"), 6444)


def test_a_node_that_does_not_run_is_not_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "_NODES", tmp_path)
    assert health.ask("node") == 1
    assert capsys.readouterr().out.startswith("node: cri.sock: ")


def test_an_unknown_question_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert health.ask("etcd") == 2
    assert "there is no etcd" in capsys.readouterr().err
