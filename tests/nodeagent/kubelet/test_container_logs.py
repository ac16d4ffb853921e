import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.kubelet.container_logs import (
    LogFilter,
    LogOptions,
    parse_line,
    tail_offset,
    whole_lines,
)
from nodeagent.kubelet.server import log_options, read_log

TIME = "2016-10-06T00:17:09.669794202Z"


def line(text: str, *, time: str = TIME, tag: str = "F") -> bytes:
    return f"{time} stdout {tag} {text}\n".encode()


def shown(lines: list[bytes], **options) -> bytes:
    return LogFilter(LogOptions(**options)).octets(iter(lines))


def test_full_line():
    parsed = parse_line(line("hello world"))
    assert (parsed.time, parsed.text) == (TIME, b"hello world\n")


@pytest.mark.parametrize("junk", [b"", b"x\n", b"a b c d\n", b"\xff stdin F x\n"])
def test_what_is_no_log_line_is_left_out(junk):
    assert parse_line(junk) is None
    assert shown([junk, line("ok")]) == b"ok\n"


def test_partial_lines_are_joined_under_one_time():
    lines = [line("hel", tag="P"), line("lo"), line("next")]
    assert shown(lines) == b"hello\nnext\n"
    assert shown(lines, timestamps=True) == f"{TIME} hello\n{TIME} next\n".encode()


def test_since_compares_times():
    lines = [line("old", time="2026-01-01T00:00:00.1Z"), line("new", time="2026-01-01T00:00:09.9Z")]
    assert shown(lines, since=1767225605.0) == b"new\n"


def test_limit_cuts_inside_a_line():
    log = LogFilter(LogOptions(limit_octets=7))
    assert log.octets(iter([line("hello"), line("world")])) == b"hello\nw"
    assert log.full


@given(st.lists(st.text("ab", max_size=5), max_size=20), st.integers(0, 25))
def test_tail_is_the_last_lines(texts, count):
    octets = "".join(f"{text}\n" for text in texts).encode()
    file = io.BufferedReader(io.BytesIO(octets))
    offset = tail_offset(file, count)
    wanted = texts[-count:] if count else []
    assert octets[offset:] == "".join(f"{text}\n" for text in wanted).encode()


def test_tail_of_a_large_file(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"".join(line(str(i)) for i in range(5000)))
    with path.open("rb") as file:
        file.seek(tail_offset(file, 3000))
        assert file.readline() == line("2000")


def test_whole_lines_keeps_the_rest():
    assert whole_lines(b"a\nb\nc") == ([b"a\n", b"b\n"], b"c")


@pytest.mark.asyncio
async def test_follow_ends_with_the_container(tmp_path):
    path = tmp_path / "0.log"
    path.write_bytes(line("one"))
    alive = [True]
    got = []
    async for octets in read_log(path, LogOptions(follow=True), lambda: alive[0]):
        got.append(octets)
        if len(got) == 1:
            with path.open("ab") as file:
                file.write(line("two"))
        else:
            alive[0] = False
    assert b"".join(got) == b"one\ntwo\n"


@pytest.mark.asyncio
async def test_missing_file_is_an_empty_log(tmp_path):
    assert [o async for o in read_log(tmp_path / "no", LogOptions(), lambda: True)] == []


def test_query_of_a_log_request():
    query = {"follow": "true", "tailLines": "5", "sinceSeconds": "10", "limitBytes": "9"}
    assert log_options(query, 100.0) == LogOptions(
        follow=True, tail_lines=5, since=90.0, limit_octets=9
    )
    with pytest.raises(ValueError, match="tailLines"):
        log_options({"tailLines": "-1"}, 0)
