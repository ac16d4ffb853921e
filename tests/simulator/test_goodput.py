"""The committed table of goodput is what our TCP does today."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from simulator import goodput, goodput_picture
from simulator.goodput import CELLS, Cell

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
#: Virtual time makes figures exact; this much a change may move them before the page is made anew.
TOLERANCE: Final = 0.1
#: Cheap ones from all over the table.
AGAIN: Final = (
    Cell(0.0, 0.2, 10),
    Cell(0.001, 0.2, 50),
    Cell(0.01, 0.05, 250),
    Cell(0.01, 0.2, 10),
    Cell(0.05, 0.01, 50),
    Cell(0.05, 0.2, 250),
)


@pytest.fixture(scope="module")
def committed() -> dict[Cell, float]:
    return goodput.read_page((DOCS / "goodput.md").read_text())


def test_the_page_has_every_cell(committed: dict[Cell, float]) -> None:
    assert set(committed) == set(CELLS)


@pytest.mark.parametrize("cell", AGAIN, ids=str)
def test_committed_cells_are_measured_again(committed: dict[Cell, float], cell: Cell) -> None:
    measured = goodput.median(cell)
    assert measured == pytest.approx(committed[cell], rel=TOLERANCE), (
        "if the change is meant: python -m simulator goodput, and commit the page"
    )


def test_no_figure_is_above_what_the_link_can_carry(committed: dict[Cell, float]) -> None:
    assert max(committed.values()) <= goodput.bound_bit_s(0.0, 1.0) * 1.001  # As rounded.


def test_a_page_is_read_as_it_was_written(committed: dict[Cell, float]) -> None:
    assert goodput.read_page(goodput.page(committed)) == committed


def test_the_picture_has_a_line_for_each_buffer_and_bound(committed: dict[Cell, float]) -> None:
    picture = ElementTree.fromstring(goodput_picture.svg(committed))
    lines = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(goodput.RTTS_S) * (len(goodput.BUFFERS) + 1)
