"""The CRI log format and its bound."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox.logfile import LINE_OCTETS_MAX, LineCutter, LogFile, LogStream, timestamp

AT = 1_475_806_029_669_794_202


def test_timestamp_has_nanoseconds():
    assert timestamp(AT) == "2016-10-07T02:07:09.669794202Z"


def test_lines_are_logged_when_they_are_complete(tmp_path):
    file = LogFile(tmp_path / "logs" / "0.log", lambda: AT)
    out, err = LogStream(file, "stdout"), LogStream(file, "stderr")
    out.write(b"hel")
    err.write(b"oops\n")
    out.write(b"lo\n\nrest")
    out.end()
    out.write(b"after the end\n")
    assert (tmp_path / "logs" / "0.log").read_text() == (
        "2016-10-07T02:07:09.669794202Z stderr F oops\n"
        "2016-10-07T02:07:09.669794202Z stdout F hello\n"
        "2016-10-07T02:07:09.669794202Z stdout F \n"
        "2016-10-07T02:07:09.669794202Z stdout F rest\n"
    )
    file.close()


def test_long_lines_are_partial(tmp_path):
    cutter = LineCutter()
    line = b"x" * (2 * LINE_OCTETS_MAX + 1)
    assert [(tag, len(piece)) for tag, piece in cutter.feed(line + b"\n")] == [
        (b"P", LINE_OCTETS_MAX),
        (b"P", LINE_OCTETS_MAX),
        (b"F", 1),
    ]
    assert [tag for tag, _ in cutter.feed(line)] == [b"P", b"P"]
    assert cutter.flush() == [(b"F", b"x")]


def test_a_full_file_is_put_aside(tmp_path):
    path = tmp_path / "0.log"
    file = LogFile(path, lambda: AT, octets_max=200)
    stream = LogStream(file, "stdout")
    for number in range(20):
        stream.write(b"line %d\n" % number)
    file.close()
    assert path.stat().st_size <= 200
    assert path.with_name("0.log.1").stat().st_size <= 200
    assert path.read_text().endswith("line 19\n")


@given(st.lists(st.binary(max_size=40)))
def test_cutting_loses_nothing(pieces):
    cutter = LineCutter()
    entries = [entry for piece in pieces for entry in cutter.feed(piece)]
    text = b"".join(piece + (b"\n" if tag == b"F" else b"") for tag, piece in entries)
    text += b"".join(piece for _, piece in cutter.flush())
    assert text == b"".join(pieces)
    assert all(re.fullmatch(b"[PF]", tag) for tag, _ in entries)
