"""What is read of the process."""

from __future__ import annotations

from componentbase.clock import wall
from componentbase.process_series import process_series
from componentbase.series import Gauge, exposition


def test_this_process_is_read():
    read = {each.name: each.read() for each in process_series() if isinstance(each, Gauge)}
    assert 1 << 20 < read["process_resident_memory_bytes"][()] < 1 << 34
    assert 0 < read["process_cpu_seconds_total"][()] < 1e6
    now = wall()
    assert now - 86400 < read["process_start_time_seconds"][()] <= now + 1
    assert read["process_open_fds"][()] > 2
    page = exposition(process_series())
    assert "# TYPE process_cpu_seconds_total counter\n" in page
    assert "# TYPE process_open_fds gauge\n" in page


def test_without_proc_nothing_is_said(tmp_path):
    for each in process_series(tmp_path):
        assert isinstance(each, Gauge)
        assert each.read() == {}
