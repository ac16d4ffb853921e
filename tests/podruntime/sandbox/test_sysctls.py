"""Sysctls of a pod: what they make of its stack, and what is refused as procfs refuses it."""

from __future__ import annotations

import random

import pytest

from netstack import ports
from netstack.tcp.settings import TcpSettings
from podruntime.sandbox.sysctls import SysctlError, tuned

DEFAULT = TcpSettings()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("tcp_ecn", "1", "ecn", 1),
        ("tcp_mtu_probing", "1", "mtu_probing", 1),
        ("tcp_congestion_control", "reno", "congestion", "reno"),
        ("tcp_fin_timeout", "30", "fin_timeout_s", 30.0),
        ("tcp_keepalive_time", "600", "keepalive_idle_s", 600.0),
        ("tcp_keepalive_intvl", "10", "keepalive_interval_s", 10.0),
        ("tcp_keepalive_probes", "3", "keepalive_probes", 3),
        ("tcp_invalid_ratelimit", "100", "invalid_ratelimit_s", 0.1),
        ("tcp_syncookies", "0", "syncookies", False),
        ("tcp_sack", "0", "sack", False),
        ("tcp_timestamps", " 0 ", "timestamps", False),
        ("tcp_retries2", "5", "retries", 5),
        ("tcp_max_tw_buckets", "7", "time_wait_max", 7),
        ("tcp_rmem", "4096\t65536 131072", "receive_buffer_octets", 65536),
        ("tcp_rmem", "4096 65536 131072", "receive_buffer_max_octets", 131072),
        ("tcp_wmem", "4096 65536 65536", "send_buffer_max_octets", 0),
        ("tcp_wmem", "1 1 1", "send_buffer_octets", 1024),
    ],
)
def test_settings(name, text, field, value):
    assert getattr(tuned(DEFAULT, {f"net.ipv4.{name}": text}).tcp, field) == value


def test_nothing_changes_nothing():
    tuning = tuned(DEFAULT, {})
    assert tuning.tcp is DEFAULT
    assert tuning.ephemeral is ports.EPHEMERAL


def test_ports_are_chosen_from_the_range_without_what_is_reserved():
    sysctls = {
        "net.ipv4.ip_local_port_range": "5000 5009",
        "net.ipv4.ip_local_reserved_ports": "5001,5003-5005,9000\n",
    }
    ephemeral = tuned(DEFAULT, sysctls).ephemeral
    rng = random.Random(1)
    taken: set[int] = set()
    for _ in range(6):
        taken.add(ports.pick(rng, lambda port: port not in taken, ephemeral))
    assert taken == {5000, 5002, 5006, 5007, 5008, 5009}
    with pytest.raises(OSError, match="ephemeral"):
        ports.pick(rng, lambda port: port not in taken, ephemeral)


@pytest.mark.parametrize(
    "safe",
    [
        {"kernel.shm_rmid_forced": "1"},
        {"net.ipv4.ip_unprivileged_port_start": "0"},
        {"net.ipv4.ping_group_range": "0 2147483647"},
    ],
)
def test_what_has_nothing_to_act_on_is_taken(safe):
    assert tuned(DEFAULT, safe).tcp is DEFAULT


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tcp_ecn", "3"),
        ("tcp_ecn", ""),
        ("tcp_ecn", "1 1"),
        ("tcp_ecn", "on"),
        ("tcp_fin_timeout", "1_0"),
        ("tcp_fin_timeout", "١"),
        ("tcp_keepalive_time", "0"),
        ("tcp_mtu_probing", "2"),
        ("tcp_congestion_control", "bbr"),
        ("tcp_rmem", "4096 65536"),
        ("tcp_rmem", "0 1 1"),
        ("ip_local_port_range", "9 8"),
        ("ip_local_port_range", "0 8"),
        ("ip_local_reserved_ports", "9-8"),
        ("ip_local_reserved_ports", "70000"),
        ("ip_local_reserved_ports", "-8"),
        ("ip_unprivileged_port_start", "65536"),
    ],
)
def test_values_out_of_range_are_invalid_arguments(name, text):
    with pytest.raises(SysctlError, match=f"write sysctl key net.ipv4.{name}: invalid argument"):
        tuned(DEFAULT, {f"net.ipv4.{name}": text})


def test_unknown_names_are_not_there():
    with pytest.raises(SysctlError, match="open /proc/sys/net/core/somaxconn: no such file"):
        tuned(DEFAULT, {"net.core.somaxconn": "1"})
