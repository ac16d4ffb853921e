"""Capture files that take turns, as tcpdump's -C, -W and -G have it."""

from __future__ import annotations

import asyncio
import os
import re

import pytest
from scapy.utils import RawPcapNgReader

from netdev.pcapng import PcapngWriter
from podwire.cli.capture_files import CaptureFiles, FileTarget, Item, PipeTarget, Rotation
from podwire.cluster.layout import UsageError

SECOND = 10**9


def files(path, rotation):
    target = FileTarget(path, rotation)
    return CaptureFiles(target, rotation, PcapngWriter, {"eth0": "node-1 eth0"}, 0), target


def item(at_ns, octets=bytes(952)):
    return Item(at_ns, "eth0", "out", octets, len(octets), "")


def packets(path):
    with path.open("rb") as file:
        return len(list(RawPcapNgReader(file)))


@pytest.mark.asyncio
async def test_without_rotation_there_is_one_file(tmp_path):
    series, target = files(tmp_path / "wire.pcapng", Rotation())
    for at in range(100):
        series.write(item(at))
    series.end(100)
    await target.close()
    assert [path.name for path in tmp_path.iterdir()] == ["wire.pcapng"]
    assert packets(tmp_path / "wire.pcapng") == 100


@pytest.mark.asyncio
async def test_a_ring_keeps_the_last_files(tmp_path):
    series, target = files(tmp_path / "wire.pcapng", Rotation(octets=10_000, files=3))
    for at in range(45):
        series.write(item(at))
    series.end(45)
    await target.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["wire-1.pcapng", "wire-2.pcapng", "wire-3.pcapng"]
    assert [packets(tmp_path / name) for name in names] == [10, 5, 10]


@pytest.mark.asyncio
async def test_files_of_so_many_seconds_end_after_the_last(tmp_path):
    series, target = files(tmp_path / "wire", Rotation(seconds=60, files=2))
    series.write(item(1))
    series.flush(59 * SECOND)
    series.write(item(59 * SECOND))
    series.flush(61 * SECOND)
    series.write(item(61 * SECOND))
    assert not series.is_full
    series.flush(122 * SECOND)
    assert series.is_full
    series.end(122 * SECOND)
    await target.close()
    assert (packets(tmp_path / "wire-1"), packets(tmp_path / "wire-2")) == (2, 1)


def test_names_have_the_time_where_they_ask_for_it(tmp_path):
    target = FileTarget(tmp_path / "wire-%Y%m%d-%H%M%S.pcapng", Rotation(seconds=60))
    assert re.fullmatch(r"wire-\d{8}-\d{6}\.pcapng", target.path_of(0).name)
    target = FileTarget(tmp_path / "50%.pcapng", Rotation(octets=1, files=10))
    assert target.path_of(9).name == "50%-10.pcapng"
    assert target.path_of(10).name == "50%-01.pcapng"


def test_a_folder_or_a_place_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere" / "wire.pcapng"):
        with pytest.raises(UsageError, match="name another file with -w"):
            FileTarget(path, Rotation()).open(0)


@pytest.mark.asyncio
async def test_statistics_are_those_of_each_file(tmp_path):
    series, target = files(tmp_path / "wire", Rotation(octets=1000, files=9))
    series.dropped["eth0"] = 5
    series.write(item(1))
    series.write(item(2))
    series.dropped["eth0"] = 7
    series.end(3)
    await target.close()
    for name, lost in (("wire-1", 5), ("wire-2", 2)):
        dropped = b"\x05\x00\x08\x00" + lost.to_bytes(8, "little")  # isb_ifdrop
        assert (tmp_path / name).read_bytes().count(dropped) == 1


@pytest.mark.asyncio
async def test_a_pipe_says_what_its_reader_leaves_and_when_it_goes():
    reading, writing = os.pipe()
    target = await PipeTarget.connect(os.fdopen(writing, "wb", buffering=0))
    series = CaptureFiles(target, Rotation(), PcapngWriter, {}, 0)
    for at in range(2000):
        series.write(item(at))
    series.flush(0)
    assert target.backlog_octets > 1_000_000
    assert not target.is_gone
    os.close(reading)
    async with asyncio.timeout(5):
        while not target.is_gone:
            await asyncio.sleep(0.01)
    series.write(item(1))
    series.flush(0)
    await target.close()
