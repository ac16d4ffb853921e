"""The part of a filter's grammar that computes: `tcp[tcpflags] & (tcp-syn|tcp-ack) != 0`."""

from __future__ import annotations

from typing import Final

from netdev.capture_filter import tree
from netdev.capture_filter.tree import Value
from netdev.capture_filter.words import FilterError, Word, cut

RELATIONS: Final = ("=", "==", "!=", "<", ">", "<=", ">=")
#: Binds the tighter the later it stands.
_LEVELS: Final = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/", "%"))
SIGNS: Final = tuple(sign for level in _LEVELS for sign in level)
_HEADERS: Final = ("ether", "ip", "ip6", "arp", "tcp", "udp", "sctp", "icmp", "icmp6")
_CONSTANTS: Final = {
    "tcpflags": 13,
    "tcp-fin": 1,
    "tcp-syn": 2,
    "tcp-rst": 4,
    "tcp-push": 8,
    "tcp-ack": 16,
    "tcp-urg": 32,
    "tcp-ece": 64,
    "tcp-cwr": 128,
    "icmptype": 0,
    "icmpcode": 1,
    "icmp-echoreply": 0,
    "icmp-unreach": 3,
    "icmp-sourcequench": 4,
    "icmp-redirect": 5,
    "icmp-echo": 8,
    "icmp-routeradvert": 9,
    "icmp-routersolicit": 10,
    "icmp-timxceed": 11,
    "icmp-paramprob": 12,
    "icmp-tstamp": 13,
    "icmp-tstampreply": 14,
    "icmp6type": 0,
    "icmp6code": 1,
    "icmp6-destinationunreach": 1,
    "icmp6-packettoobig": 2,
    "icmp6-timeexceeded": 3,
    "icmp6-parameterproblem": 4,
    "icmp6-echo": 128,
    "icmp6-echoreply": 129,
    "icmp6-multicastlistenerquery": 130,
    "icmp6-routersolicit": 133,
    "icmp6-routeradvert": 134,
    "icmp6-neighborsolicit": 135,
    "icmp6-neighboradvert": 136,
    "icmp6-redirect": 137,
}
_DEPTH_MAX: Final = 50


class Arithmetic:
    """Reads words; knows values and relations."""

    def __init__(self, text: str) -> None:
        self.text, self.words = text, cut(text)
        self.depth = 0  # Of the frame that is spoken of.
        self._at = self._deep = 0
        self._closing = _pairs(text, self.words)

    # Words.

    @property
    def next(self) -> Word | None:
        """The word that is read next."""
        return self.words[self._at] if self._at < len(self.words) else None

    @property
    def word(self) -> str:
        """Its text, "" at the end."""
        return self.peek(0)

    def peek(self, ahead: int) -> str:
        """Return the text of a word further on, "" beyond the end."""
        at = self._at + ahead
        return self.words[at].text if at < len(self.words) else ""

    def take(self) -> str:
        """Go on by a word and return it."""
        text = self.word
        self._at += 1
        return text

    def expect(self, text: str) -> None:
        """Take exactly this word."""
        if self.word != text:
            raise self.error(f"{text!r} is missing")
        self.take()

    def error(self, message: str, *, at: int = 0) -> FilterError:
        """Return an error that points at the next word, or one so many words on."""
        index = self._at + at
        word = self.words[index] if 0 <= index < len(self.words) else None
        return FilterError(message, self.text, word)

    def number(self) -> int:
        """Take a number."""
        text = self.word
        try:
            number = int(text, 0) if not text.isdecimal() else int(text)
        except ValueError:
            raise self.error("a number is meant") from None
        if not 0 <= number < 1 << 32:
            raise self.error("a number has 32 bits")
        self.take()
        return number

    # Arithmetic.

    def begins_arithmetic(self) -> bool:
        """Tell whether a relation begins here, and no primitive or parenthesis."""
        word, behind = self.word, self.peek(1)
        if word == "(":
            closing = self._closing.get(self._at, len(self.words))
            after = self.words[closing + 1].text if closing + 1 < len(self.words) else ""
            return after in RELATIONS or after in SIGNS
        if word in _HEADERS:
            return behind == "["
        if word == "len" or word in _CONSTANTS or word.startswith(("0x", "0X")):
            return True
        return word.isdecimal() and (behind in RELATIONS or (behind in SIGNS and behind != "/"))

    def relation(self) -> tree.Relation:
        """Take a comparison."""
        left = self._value(0)
        sign = self.word
        if sign not in RELATIONS:
            raise self.error(f"a comparison is meant: {' '.join(RELATIONS)}")
        self.take()
        return tree.Relation("=" if sign == "==" else sign, left, self._value(0))

    def _value(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._operand()
        found = self._value(level + 1)
        while self.word in _LEVELS[level]:
            sign = self.take()
            right = self._value(level + 1)
            if sign in ("/", "%") and right == tree.Number(0):
                raise self.error("division by zero", at=-1)
            found = tree.Operation(sign, found, right)
        return found

    def _operand(self) -> Value:
        self._deep += 1
        if self._deep > _DEPTH_MAX:
            raise self.error("the arithmetic is too long")
        word = self.word
        if word == "(":
            self.take()
            found = self._value(0)
            self.expect(")")
            return found
        if word == "len":
            self.take()
            return tree.Length()
        if word in _CONSTANTS:
            return tree.Number(_CONSTANTS[self.take()])
        if word in _HEADERS:
            return self._load()
        return tree.Number(self.number())

    def _load(self) -> tree.Load:
        header = self.take()
        self.expect("[")
        offset = self._value(0)
        size = 1
        if self.word == ":":
            self.take()
            size = self.number()
            if size not in (1, 2, 4):
                raise self.error("1, 2 or 4 octets can be read at once", at=-1)
        self.expect("]")
        return tree.Load(header, offset, size, self.depth)


def _pairs(text: str, words: list[Word]) -> dict[int, int]:
    """Return where each parenthesis closes; raises FilterError for one that does not."""
    open_at: list[int] = []
    pairs: dict[int, int] = {}
    for index, word in enumerate(words):
        if word.text == "(":
            open_at.append(index)
        elif word.text == ")":
            if not open_at:
                raise FilterError("nothing was opened that it could close", text, word)
            pairs[open_at.pop()] = index
    if open_at:
        raise FilterError("')' is missing", text, words[open_at[-1]])
    return pairs
