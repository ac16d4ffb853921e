"""Editing a line: keys in, a line and what is shown out. `Screen` is a terminal to look at."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.images.shell.line_editor import Edited, Ending, LineEditor

_SEQUENCE = re.compile(r"\x1b\[(\d*)([A-Z])|(.)", re.DOTALL)


class Screen:
    """As much of a terminal as the editor uses: a row of columns wraps into the next."""

    def __init__(self, columns: int) -> None:
        self.columns, self.rows, self.row, self.column = columns, [""], 0, 0
        self.waits = False  # At the edge: the next character goes into the next row.

    def show(self, octets: bytes) -> None:
        for count, kind, character in _SEQUENCE.findall(octets.decode()):
            self._control(kind, int(count or 1)) if kind else self._put(character)

    def _control(self, kind: str, count: int) -> None:
        self.waits = False
        match kind:
            case "A":
                self.row -= count
            case "C":
                self.column += count
            case "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                del self.rows[self.row + 1 :]
            case "H":
                self.row = self.column = 0

    def _put(self, character: str) -> None:
        match character:
            case "\r":
                self.column, self.waits = 0, False
            case "\b":
                self.column, self.waits = max(self.column - 1, 0), False
            case "\n":
                self.row, self.column, self.waits = self.row + 1, 0, False
                self.rows += [""] * (self.row + 1 - len(self.rows))
            case _:
                if self.waits:
                    self._put("\n")
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + character + line[self.column + 1 :]
                self.waits = self.column == self.columns - 1
                self.column += not self.waits


def typed(keys: str, *, columns: int = 80, editor: LineEditor | None = None):
    """Type *keys*; return the line, the screen and the editor."""
    editor, screen = editor or LineEditor(lambda _before: []), Screen(columns)
    shown, edited = editor.begin("$ ", columns)
    screen.show(shown)
    if edited is None:
        shown, edited = editor.feed(keys.encode())
        screen.show(shown)
    return edited, screen, editor


LEFT, RIGHT, UP, DOWN, HOME, END, DELETE = (
    f"\x1b[{code}" for code in ("D", "C", "A", "B", "H", "F", "3~")
)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("abc\r", "abc"),
        (f"ac{LEFT}b\r", "abc"),
        (f"bc{HOME}a\r", "abc"),
        (f"bc\x01a{END}d\r", "abcd"),
        (f"abxc{LEFT}\x7f\r", "abc"),
        (f"abc{HOME}{DELETE}\r", "bc"),
        ("one two\x17three\r", "one three"),
        ("one\x15two\r", "two"),
        (f"one two{HOME}\x0b\r", ""),
        (f"ab{LEFT}{LEFT}{LEFT}{RIGHT}x\r", "axb"),
        ("é\x7fü\n", "ü"),
        ("a\x1bOAb\r", "ab"),
        ("a\x1b[99;5~b\r", "ab"),
    ],
)
def test_keys_edit_the_line(keys, line):
    edited, screen, _ = typed(keys)
    assert edited == Edited(Ending.LINE, line)
    assert screen.rows[0].rstrip() == f"$ {line}".rstrip()


def test_ends_that_are_no_lines():
    assert typed("\x04")[0] == Edited(Ending.END_OF_FILE)
    assert typed("ab\x04")[0] is None
    assert typed("ab\x03")[0] == Edited(Ending.INTERRUPT)


def test_history_is_walked_and_keeps_the_draft():
    *_, editor = typed("one\r")
    typed("two\r", editor=editor)
    typed("two\r", editor=editor)
    assert editor.history == ["one", "two"]
    assert typed(f"{UP}{UP}{UP}\r", editor=editor)[0].text == "one"
    assert typed(f"dra{UP}{DOWN}ft\r", editor=editor)[0].text == "draft"


def test_lines_that_are_typed_ahead_wait():
    edited, _, editor = typed("one\rtwo\r\nthr")
    assert edited.text == "one"
    assert typed("", editor=editor)[0].text == "two"
    assert editor.begin("$ ", 80) == (b"$ thr", None)
    assert editor.feed(b"ee\r")[1].text == "three"


def test_tab_completes():
    offers = {"l": ["ls", "ln"], "hos": ["hostname"], "cat /e": ["/etc/"], "x": []}
    editor = LineEditor(lambda before: offers.get(before, []))
    assert typed("hos\t-i\r", editor=editor)[0].text == "hostname -i"
    assert typed("cat /e\thosts\r", editor=editor)[0].text == "cat /etc/hosts"
    edited, screen, _ = typed("l\ts\r", editor=editor)
    assert (edited.text, screen.rows[:3]) == ("ls", ["$ l", "ls  ln", "$ ls"])
    assert typed("x\t\r", editor=editor)[0].text == "x"


@given(
    st.lists(
        st.one_of(
            st.text("abc d", min_size=1, max_size=9),
            st.sampled_from((LEFT, RIGHT, HOME, END, DELETE, "\x7f", "\x17", "\x0b", UP, DOWN)),
        ),
        max_size=12,
    ),
    st.integers(3, 12),
)
def test_what_is_shown_is_the_line(keys, columns):
    """However it was edited, and however narrow the terminal is."""
    editor, screen = LineEditor(lambda _before: []), Screen(columns)
    editor.history = ["some older line"]
    screen.show(editor.begin("$ ", columns)[0])
    for each in keys:
        screen.show(editor.feed(each.encode())[0])
    screen.show(editor.feed(END.encode())[0])
    end = (screen.row, screen.column + screen.waits)
    shown, edited = editor.feed(b"\r")
    line = f"$ {edited.text}"
    wrapped = [line[at : at + columns] for at in range(0, len(line), columns)]
    assert [row for row in screen.rows if row.strip()] == [row for row in wrapped if row.strip()]
    assert end in (divmod(len(line), columns), (len(line) // columns - 1, columns))
    screen.show(shown)
