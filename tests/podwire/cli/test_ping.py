"""Pings from a node in the words of iputils."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from podwire.cli.ping import last_lines, line, summary, title


def row(sequence, rtt_s=None, ttl=62, **more):
    answer = {"kind": "reply", "address": "10.244.1.5", "code": 0, "rtt_s": rtt_s, "ttl": ttl,
              "mtu": None, **more}  # fmt: skip
    return {"sequence": sequence, "answer": None if rtt_s is None else answer}


ANSWERS = [row(1, 0.000512), row(2), row(3, 0.0123456), row(4, 0.1234567)]
ROUTER = {"kind": "time-exceeded", "address": "10.244.1.1", "ttl": None}


def said(address, rows, took_s):
    return [title(address), *(line(address, each) for each in rows),
            *last_lines(address, rows, took_s)]  # fmt: skip


def test_answers_have_their_ttl_and_silence_is_said():
    assert said("10.244.1.5", ANSWERS, 1.6) == [
        "PING 10.244.1.5 (10.244.1.5) 56(84) bytes of data.",
        "64 bytes from 10.244.1.5: icmp_seq=1 ttl=62 time=0.512 ms",
        "no answer for icmp_seq=2",
        "64 bytes from 10.244.1.5: icmp_seq=3 ttl=62 time=12.3 ms",
        "64 bytes from 10.244.1.5: icmp_seq=4 ttl=62 time=123 ms",
        "",
        "--- 10.244.1.5 ping statistics ---",
        "4 packets transmitted, 3 received, 25% packet loss, time 1600ms",
        "rtt min/avg/max/mdev = 0.512/45.438/123.457/55.379 ms",
    ]
    assert said("fd00::5", ANSWERS[1:2], 0.1)[-1] == (
        "1 packets transmitted, 0 received, 100% packet loss, time 100ms"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ROUTER, "From 10.244.1.1 icmp_seq=1 Time to live exceeded"),
        (
            {"kind": "unreachable", "address": "10.244.1.1", "code": 1},
            "From 10.244.1.1 icmp_seq=1 Destination Host Unreachable",
        ),
        (
            {"kind": "unreachable", "address": "fd00::1", "code": 1},
            "From fd00::1 icmp_seq=1 Destination unreachable: Administratively prohibited",
        ),
        (
            {"kind": "unreachable", "address": "10.0.0.1", "code": 8},
            "From 10.0.0.1 icmp_seq=1 Dest Unreachable, Code: 8",
        ),
        (
            {"kind": "too-big", "address": "fd00::1", "mtu": 1280},
            "From fd00::1 icmp_seq=1 Packet too big: mtu=1280",
        ),
    ],
)
def test_errors_of_others_are_said_and_counted(answer, words):
    rows = [row(1, 0.1, **answer)]
    assert line("10.244.1.5", rows[0]) == words
    assert "1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 100ms" in (
        last_lines("10.244.1.5", rows, 0.1)
    )


def test_summary_is_for_programs():
    told = summary("10.244.1.5", ANSWERS, 1.6)
    assert (told["transmitted"], told["received"], told["errors"]) == (4, 3, 0)
    assert told["loss"] == 0.25
    assert told["rtt_ms"]["max"] == pytest.approx(123.4567)
    assert [each["sequence"] for each in told["answers"]] == [1, 2, 3, 4]
    assert summary("10.244.1.5", [], 0.0)["rtt_ms"] is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_is_what_ping_prints(address):
    if shutil.which("ping") is None:
        pytest.skip("ping is not installed")
    done = subprocess.run(
        ["ping", "-c", "2", "-i", "0.01", address], capture_output=True, text=True, check=False
    )
    if done.returncode or " ttl=" not in done.stdout:
        pytest.skip(f"ping may not be used here: {done.stdout}{done.stderr}")
    found = re.findall(r"icmp_seq=(\d+) ttl=(\d+) time=([0-9.]+) ms", done.stdout)
    replies = [row(int(number), float(ms) / 1000, ttl=int(ttl)) for number, ttl, ms in found]
    took_ms = re.search(r"time (\d+)ms", done.stdout)[1]
    ours, theirs = said(address, replies, int(took_ms) / 1000), done.stdout.splitlines()
    spreads = [re.findall(r"[0-9.]+", lines.pop()) for lines in (ours, theirs)]
    assert ours == theirs
    assert [float(each) for each in spreads[0]] == pytest.approx(
        [float(each) for each in spreads[1]], abs=0.002
    )
