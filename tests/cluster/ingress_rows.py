"""What the Ingress concept page, the API's reference and ingress-nginx' pages say, a row a case.

A row is (what, rules, host, path, who answers): the name of a Service, or a status. Rules are
(host, path, kind, Service).
"""

from __future__ import annotations

P, E, I = "Prefix", "Exact", "ImplementationSpecific"  # noqa: E741 - As short as a table needs.
ANY = "a.example"

Rule = tuple[str, str, str, str]
Row = tuple[str, list[Rule], str, str, str | int]


def _one(kind: str, *paths: str) -> list[Rule]:
    return [(ANY, path, kind, f"s{at}") for at, path in enumerate(paths)]


#: The table "Examples" of the concept page, in its order.
CONCEPT_PATHS: list[Row] = [
    ("prefix-root-takes-all", _one(P, "/"), ANY, "/any/path", "s0"),
    ("exact-itself", _one(E, "/foo"), ANY, "/foo", "s0"),
    ("exact-other", _one(E, "/foo"), ANY, "/bar", 404),
    ("exact-no-slash-added", _one(E, "/foo"), ANY, "/foo/", 404),
    ("exact-no-slash-removed", _one(E, "/foo/"), ANY, "/foo", 404),
    ("prefix-itself", _one(P, "/foo"), ANY, "/foo", "s0"),
    ("prefix-slash-at-end", _one(P, "/foo"), ANY, "/foo/", "s0"),
    ("prefix-with-slash-itself", _one(P, "/foo/"), ANY, "/foo", "s0"),
    ("prefix-with-slash-both", _one(P, "/foo/"), ANY, "/foo/", "s0"),
    ("prefix-no-part-of-element", _one(P, "/aaa/bb"), ANY, "/aaa/bbb", 404),
    ("prefix-of-elements", _one(P, "/aaa/bbb"), ANY, "/aaa/bbb", "s0"),
    ("prefix-ignores-slash", _one(P, "/aaa/bbb/"), ANY, "/aaa/bbb", "s0"),
    ("prefix-matches-slash", _one(P, "/aaa/bbb"), ANY, "/aaa/bbb/", "s0"),
    ("prefix-subpath", _one(P, "/aaa/bbb"), ANY, "/aaa/bbb/ccc", "s0"),
    ("prefix-no-string-prefix", _one(P, "/aaa/bbb"), ANY, "/aaa/bbbxyz", 404),
    ("prefixes-second", _one(P, "/", "/aaa"), ANY, "/aaa/ccc", "s1"),
    ("prefixes-longest", _one(P, "/", "/aaa", "/aaa/bbb"), ANY, "/aaa/bbb", "s2"),
    ("prefixes-root", _one(P, "/", "/aaa", "/aaa/bbb"), ANY, "/ccc", "s0"),
    ("prefixes-none", _one(P, "/aaa"), ANY, "/ccc", 404),
    ("exact-before-prefix", [(ANY, "/foo", P, "s0"), (ANY, "/foo", E, "s1")], ANY, "/foo", "s1"),
]

#: "Hostname wildcards" of the concept page, and what the API's reference says of hosts.
_WILD: list[Rule] = [("*.foo.com", "/", P, "wild")]
HOSTS: list[Row] = [
    ("wildcard-one-label", _WILD, "bar.foo.com", "/", "wild"),
    ("wildcard-no-two-labels", _WILD, "baz.bar.foo.com", "/", 404),
    ("wildcard-not-itself", _WILD, "foo.com", "/", 404),
    ("exact-before-wildcard", [*_WILD, ("x.foo.com", "/", P, "x")], "x.foo.com", "/", "x"),
    ("exact-host-hides-wildcards-paths", [*_WILD, ("x.foo.com", "/a", P, "x")], "x.foo.com", "/b",
     404),
    ("no-host-takes-all", [("", "/", P, "any")], "whatever.example", "/", "any"),
    ("host-before-no-host", [("", "/", P, "any"), (ANY, "/", P, "a")], ANY, "/", "a"),
    ("wildcard-before-no-host", [("", "/", P, "any"), *_WILD], "bar.foo.com", "/", "wild"),
    ("host-without-case", [(ANY, "/", P, "a")], "A.Example", "/", "a"),
    ("host-with-port", [(ANY, "/", P, "a")], f"{ANY}:8080", "/", "a"),
    ("host-unknown", [(ANY, "/", P, "a")], "b.example", "/", 404),
    ("fanout-first", [(ANY, "/foo", P, "f"), (ANY, "/bar", P, "b")], ANY, "/foo/x", "f"),
    ("fanout-second", [(ANY, "/foo", P, "f"), (ANY, "/bar", P, "b")], ANY, "/bar", "b"),
    ("virtual-hosts-first", [(ANY, "/", P, "a"), ("b.example", "/", P, "b")], ANY, "/", "a"),
    ("virtual-hosts-second", [(ANY, "/", P, "a"), ("b.example", "/", P, "b")], "b.example", "/",
     "b"),
]  # fmt: skip

#: ImplementationSpecific as ingress-nginx has it, and paths as nginx understands them.
PATHS: list[Row] = [
    ("loose-string-prefix", _one(I, "/foo"), ANY, "/foobar", "s0"),
    ("loose-longer-before-prefix", [(ANY, "/foo", P, "s0"), (ANY, "/foo/b", I, "s1")], ANY,
     "/foo/bar", "s1"),
    ("prefix-longer-before-loose", [(ANY, "/f", I, "s0"), (ANY, "/foo", P, "s1")], ANY, "/foo",
     "s1"),
    ("case-of-paths-counts", _one(P, "/foo"), ANY, "/FOO", 404),
    ("query-is-no-path", _one(E, "/foo"), ANY, "/foo?x=/bar", "s0"),
    ("encoded-path-is-the-path", _one(P, "/foo"), ANY, "/%66oo/x", "s0"),
    ("dots-are-resolved", [(ANY, "/", P, "s0"), (ANY, "/private", P, "s1")], ANY,
     "/open/../private/x", "s1"),
    ("encoded-dots-are-resolved", [(ANY, "/", P, "s0"), (ANY, "/private", P, "s1")], ANY,
     "/open/%2e%2e/private", "s1"),
    ("two-slashes-are-one", _one(P, "/foo/bar"), ANY, "/foo//bar", "s0"),
    ("above-the-root-is-nothing", _one(P, "/"), ANY, "/../etc", 400),
    ("bad-percent-is-nothing", _one(P, "/"), ANY, "/%zz", 400),
]  # fmt: skip

ROWS: list[Row] = [*CONCEPT_PATHS, *HOSTS, *PATHS]


def apart(row: Row, number: int) -> Row:
    """Return *row* with hosts of its own and Services s0, s1, s2: many rows share a controller."""
    what, rules, host, path, expected = row
    names = {name: f"s{at}" for at, name in enumerate(dict.fromkeys(rule[3] for rule in rules))}
    moved = [(_of_row(at, number), where, kind, names[name]) for at, where, kind, name in rules]
    answer = expected if isinstance(expected, int) else names[expected]
    return what, moved, _of_row(host, number), path, answer


def _of_row(host: str, number: int) -> str:
    """Put a label of the row's own before the last two of *host*."""
    name, colon, port = host.partition(":")
    labels = name.split(".")
    return ".".join([*labels[:-2], f"r{number}", *labels[-2:]]) + colon + port
