"""Editing of one line in a terminal: keys in, what to show out (no I/O).

Emacs' keys as busybox's lineedit knows them: moving, erasing, killing, a history that ↑ and ↓ walk
through, and completion by tab. What is typed behind a return waits for the next line, so that a
paste of many lines is as many commands. Every character is taken to be one column wide.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from podruntime.images.terminal import Key

HISTORY_MAX: Final = 500
LINE_MAX: Final = 16 * 1024
_ESCAPES: Final = {
    "A": Key.PREVIOUS,
    "B": Key.NEXT,
    "C": Key.FORWARD,
    "D": Key.BACK,
    "H": Key.HOME_OF_LINE,
    "F": Key.END_OF_LINE,
    "1~": Key.HOME_OF_LINE,
    "7~": Key.HOME_OF_LINE,
    "4~": Key.END_OF_LINE,
    "8~": Key.END_OF_LINE,
}
_DELETE: Final = "3~"
_ESCAPE_MAX: Final = 8

#: Returns what may stand for the last word of a text, each whole.
Complete = Callable[[str], Sequence[str]]


class Ending(Enum):
    """How a line ended."""

    LINE = auto()
    END_OF_FILE = auto()
    INTERRUPT = auto()


@dataclass(frozen=True, slots=True)
class Edited:
    """A line that is done."""

    ending: Ending
    text: str = ""


class LineEditor:
    """One person's line, and those before."""

    def __init__(self, complete: Complete) -> None:
        self._complete = complete
        self.history: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ahead = ""
        self._escape: str | None = None
        self._prompt, self._columns = "", 80
        self._text, self._at, self._row = "", 0, 0
        self._walked, self._draft = 0, ""
        self._shown: list[str] = []

    def begin(self, prompt: str, columns: int) -> tuple[bytes, Edited | None]:
        """Begin a line; return what to show, and the line if it was typed ahead."""
        self._prompt, self._columns = prompt, max(columns, 1)
        self._text, self._at, self._row = "", 0, 0
        self._walked, self._draft = len(self.history), ""
        self._shown = [prompt]
        return self._keys("")

    def feed(self, octets: bytes) -> tuple[bytes, Edited | None]:
        """Take what was typed; return what to show, and the line when it is done."""
        self._shown = []
        return self._keys(self._decoder.decode(octets))

    def _keys(self, text: str) -> tuple[bytes, Edited | None]:
        rest, self._ahead = self._ahead + text, ""
        for at, key in enumerate(rest):
            edited = self._key(key)
            if edited is not None:
                self._ahead = rest[at + 1 :].removeprefix("\n" if key == "\r" else "")
                return "".join(self._shown).encode(), edited
        return "".join(self._shown).encode(), None

    def _key(self, key: str) -> Edited | None:
        if self._escape is not None:
            self._escaped(key)
            return None
        match ord(key):
            case Key.RETURN | Key.NEWLINE:
                return self._done()
            case Key.INTERRUPT:
                self._shown.append("^C\n")
                return Edited(Ending.INTERRUPT)
            case Key.EOF if not self._text:
                return Edited(Ending.END_OF_FILE)
            case Key.EOF:
                self._cut(self._at, self._at + 1)
            case Key.ESCAPE:
                self._escape = ""
            case Key.TAB:
                self._tab()
            case Key.CLEAR:
                self._shown.append("\x1b[H\x1b[J")
                self._row = 0
                self._draw()
            case number if number < 0x20 or number == Key.DELETE:
                self._command(number)
            case _ if len(self._text) < LINE_MAX:
                self._insert(key)
        return None

    def _done(self) -> Edited:
        self._move(len(self._text))
        self._shown.append("\n")
        text = self._text
        if text.strip() and self.history[-1:] != [text]:
            self.history.append(text)
            del self.history[:-HISTORY_MAX]
        return Edited(Ending.LINE, text)

    def _escaped(self, key: str) -> None:
        """Read an escape sequence: ESC [ … or ESC O …"""
        assert self._escape is not None
        self._escape += key
        body = self._escape[1:]
        if self._escape[0] not in "[O" or len(self._escape) > _ESCAPE_MAX:
            self._escape = None
        elif body and (body[-1].isalpha() or body[-1] == "~"):
            self._escape = None
            if body == _DELETE:
                self._cut(self._at, self._at + 1)
            elif body in _ESCAPES:
                self._command(_ESCAPES[body])

    def _command(self, key: int) -> None:
        match key:
            case Key.BACKSPACE | Key.DELETE:
                self._cut(self._at - 1, self._at)
            case Key.BACK:
                self._move(self._at - 1)
            case Key.FORWARD:
                self._move(self._at + 1)
            case Key.HOME_OF_LINE:
                self._move(0)
            case Key.END_OF_LINE:
                self._move(len(self._text))
            case Key.KILL_LINE:
                self._cut(0, self._at)
            case Key.KILL_REST:
                self._cut(self._at, len(self._text))
            case Key.ERASE_WORD:
                kept = self._text[: self._at].rstrip(" ").rpartition(" ")
                self._cut(len(kept[0]) + len(kept[1]), self._at)
            case Key.PREVIOUS:
                self._walk(self._walked - 1)
            case Key.NEXT:
                self._walk(self._walked + 1)

    def _insert(self, text: str) -> None:
        at_end = self._at == len(self._text)
        self._text = self._text[: self._at] + text + self._text[self._at :]
        self._at += len(text)
        end = len(self._prompt) + self._at
        if at_end and end // self._columns == self._row and end % self._columns:
            self._shown.append(text)
        else:
            self._draw()

    def _cut(self, start: int, end: int) -> None:
        start, end = max(start, 0), min(end, len(self._text))
        if start < end:
            self._text = self._text[:start] + self._text[end:]
            self._at = start
            self._draw()

    def _move(self, at: int) -> None:
        at = min(max(at, 0), len(self._text))
        if at != self._at:
            self._at = at
            self._draw()

    def _walk(self, to: int) -> None:
        if not 0 <= to <= len(self.history):
            return
        if self._walked == len(self.history):
            self._draft = self._text
        self._walked = to
        self._text = self._draft if to == len(self.history) else self.history[to]
        self._at = len(self._text)
        self._draw()

    def _tab(self) -> None:
        before = self._text[: self._at]
        word = before.rpartition(" ")[2]
        offers = self._complete(before)
        common = _common(offers)
        if len(common) > len(word):
            ending = " " if len(offers) == 1 and not common.endswith("/") else ""
            self._insert(common[len(word) :] + ending)
        elif len(offers) > 1:
            self._shown.append("\n" + "  ".join(offers) + "\n")
            self._row = 0
            self._draw()

    def _draw(self) -> None:
        """Show the whole line anew, and put the cursor where it belongs."""
        columns, line = self._columns, self._prompt + self._text
        up = f"\x1b[{self._row}A" if self._row else ""
        # A character and back: else a terminal that is full to its edge stays in that row.
        edge = " \b" if line and len(line) % columns == 0 else ""
        self._shown.append(f"{up}\r\x1b[J{line}{edge}")
        end, at = len(line), len(self._prompt) + self._at
        rows = end // columns - at // columns
        back = (f"\x1b[{rows}A" if rows else "") + "\r"
        right = f"\x1b[{at % columns}C" if at % columns else ""
        if at != end:
            self._shown.append(back + right)
        self._row = at // columns


def _common(texts: Sequence[str]) -> str:
    """Return what all of *texts* begin with."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    same = next(
        (at for at, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), None
    )
    return first[:same]
