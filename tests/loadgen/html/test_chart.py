from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from loadgen.html.chart import LEFT, RIGHT, Key, Panel, areas, frame, legend_rows, line
from loadgen.html.markup import Markup, join, tag, verbatim
from loadgen.html.scale import Scale, linear_ticks

Y = Scale(0, 10, 100, 0)


def test_a_missing_value_is_a_gap_and_a_lone_one_a_dot():
    drawn = line([0.0, 1.0, 2.0, 3.0], [5.0, 6.0, None, 7.0], Y, "p50")
    assert 'd="M0 50L1 40M3 30L3 30"' in drawn


def test_layers_are_stacked_in_steps():
    drawn = areas([0.0, 10.0, 20.0], [("a", [1, 1]), ("b", [2, 0])], Y)
    lower, upper = (path.attrib["d"] for path in ET.fromstring(f"<g>{drawn}</g>"))
    assert lower == "M0 90L20 90L20 100L0 100Z"
    assert upper == "M0 70L10 70L10 90L0 90Z"


def test_an_empty_layer_draws_nothing():
    assert 'd=""' in areas([0.0, 10.0], [("a", [0])], Y)


def test_a_legend_that_does_not_fit_beside_the_title_gets_lines_of_its_own():
    keys = [Key(f"web-5cf556555c-{n:05d}", f"b{n}") for n in range(8)]
    rows = legend_rows("Share of answers by backend", keys)
    assert [key for row in rows for key in row] == keys
    assert len(rows) == 2
    panel = Panel(title="Share", top=100, height=50, keys=keys)
    drawn = ET.fromstring(f"<g>{frame(panel, Y, linear_ticks(10, 4))}</g>")
    assert all(LEFT <= float(each.attrib["x"]) < RIGHT for each in drawn.iter("rect"))


def test_text_is_escaped_wherever_it_is_put():
    made = tag("p", "<b>", tag("i", "x"), title='"><script>', data_a=1.5, hidden=True, lang=None)
    assert made == ('<p title="&quot;&gt;&lt;script&gt;" data-a="1.5" hidden>&lt;b&gt;<i>x</i></p>')
    assert join(["&", Markup("&amp;")]) == "&amp;&amp;"


def test_what_ends_its_own_element_is_never_verbatim():
    with pytest.raises(AssertionError):
        verbatim("script", "'</SCRIPT>'")
