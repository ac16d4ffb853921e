"""Expressions and their values: cases of the language definition and of Kubernetes' libraries."""

import pytest

from kubeapi.cel import DYN, Budget, BudgetExceeded, CompileError, EvaluationError, compile
from kubeapi.cel.types import INT, STRING, Type, list_of, map_of
from kubeapi.cel.values import Duration, Timestamp, UInt, equal

POD = {
    "apiVersion": "v1",
    "long": "a" * 1999 + "x",
    "metadata": {"name": "web-1", "labels": {"app": "web", "a/b": "c"}, "namespace": "default"},
    "spec": {
        "replicas": 3,
        "ratio": 0.5,
        "none": None,
        "containers": [
            {"name": "a", "image": "registry.example.com/a:1", "ports": [80, 443]},
            {"name": "b", "image": "docker.io/b:2"},
        ],
    },
}
VARIABLES = {"object": DYN, "oldObject": DYN, "x": DYN}


def evaluate(source: str, **variables: object) -> object:
    values = {"object": POD, "oldObject": None, **variables}
    return compile(source, VARIABLES).evaluate(values, Budget())


TRUE = [
    # Numbers, and how they are compared.
    "1 + 2 * 3 == 7",
    "-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1",
    "7u / 2u == 3u",
    "0x1F == 31 && 0xffu == 255u",
    "dyn(1) == 1.0 && dyn(1u) == 1 && dyn(1) < 1.5",
    "1 < 2.0 && 1u < 2",
    "1.5e3 == 1500.0 && .5 == 0.5",
    "-(-3) == 3 && --3 == 3 && !!true",
    "1.0 / 0.0 == double('Infinity')",
    "dyn(true) != 1",
    "-9223372036854775808 < 0",
    # Texts and octets.
    r"'\u00e9\x41\101\n'.size() == 4",
    "r'a\\b'.size() == 3 && '''it's''' == \"it's\"",
    r"b'\xff\x00'.size() == 2 && b'é'.size() == 2",
    "'é'.size() == 1 && size('abc') == 3",
    "'abc' < 'abd' && b'a' < b'b'",
    "'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
    "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')",
    "'abc'.matches('^a.c$') && matches('xabcx', 'abc') && !'abc'.matches('^b')",
    "'hello'.charAt(4) == 'o' && 'hello'.charAt(5) == ''",
    "'hello mellow'.indexOf('ello', 2) == 7 && 'hello mellow'.lastIndexOf('ello') == 7",
    "'hello mellow'.lastIndexOf('ello', 6) == 1 && 'abc'.indexOf('') == 0",
    "'hello hello'.replace('he', 'we', 1) == 'wello hello'",
    "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
    "'abc'.split('') == ['a', 'b', 'c'] && 'a,b'.split(',', 0) == []",
    "['a', 'b'].join('-') == 'a-b' && ['a', 'b'].join() == 'ab'",
    "'TacoCat'.lowerAscii() == 'tacocat' && 'TacoCÆt'.upperAscii() == 'TACOCÆT'",
    "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco'",
    r"'  \ttrim\n '.trim() == 'trim'",
    r"strings.quote('a\"b\n') == '\"a\\\"b\\n\"'",
    "'%s %d %.2f %x %b %%'.format([dyn('a'), 7, 1.5, 255, 5]) == 'a 7 1.50 ff 101 %'",
    "'%s'.format([[dyn(1), 'a', {'k': true}]]) == '[1, \"a\", {\"k\": true}]'",
    "'%X %o %e'.format([dyn(255), 8, 1234.5]) == 'FF 10 1.234500e+03'",
    # Lists and maps.
    "1 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1}",
    "[1, 2][1] == 2 && {'a': 1}['a'] == 1 && {'a': 1}.a == 1",
    "dyn({'a': [1]}) == dyn({'a': [1.0]})",
    "[1, 2, 2].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
    "[1, 2].sum() == 3 && [1.5, 2.5].sum() == 4.0 && [].sum() == 0",
    "[duration('1h'), duration('1m')].sum() == duration('61m')",
    "[3, 1, 2].min() == 1 && ['a', 'c', 'b'].max() == 'c'",
    "[1, 2, 2].indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && [1].indexOf(5) == -1",
    "sets.contains([1, 2], [2]) && !sets.contains([1], [1, 2])",
    "sets.equivalent([1, 1], [1]) && sets.intersects([1, 2], [2, 3])",
    "[1, 2, 3].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 2].exists_one(x, x == 2)",
    "[1, 2, 3].filter(x, x > 1) == [2, 3] && [1, 2].map(x, x * 2) == [2, 4]",
    "[1, 2].map(x, x > 1, x * 2) == [4]",
    "{'a': 1, 'b': 2}.all(k, k in ['a', 'b']) && {'a': 1}.map(k, k) == ['a']",
    "[5, 6].all(i, v, v == i + 5) && {'a': 1}.exists(k, v, k == 'a' && v == 1)",
    "[1, 2].transformList(i, v, i + v) == [1, 3]",
    "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4}",
    "{'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'}",
    "[[1, 2], [3]].all(l, l.all(x, x > 0)) && [1].all(x, [2].all(y, x < y) && x == 1)",
    # What is wrong does not matter where the rest decides.
    "true || object.missing == 1",
    "object.missing == 1 || true",
    "!(object.missing == 1 && false)",
    "[1, 2].exists(x, object.missing == x || x == 2)",
    # Fields.
    "has(object.spec.replicas) && !has(object.spec.missing) && has(object.spec.none)",
    "object.spec.none == null && oldObject == null",
    "object.metadata.labels['a/b'] == 'c' && object.metadata.labels.app == 'web'",
    "object.metadata.labels.a__slash__b == 'c'",
    "object.metadata.namespace == 'default'",
    "object.spec.containers.all(c, c.image.contains('/'))",
    "object.spec.containers.exists(c, has(c.ports) && 80 in c.ports)",
    # What may be absent.
    "object.?spec.?replicas.orValue(0) == 3 && object.?missing.?x.orValue(7) == 7",
    "object.spec[?'missing'].hasValue() == false && [1][?5].orValue(9) == 9",
    "optional.of(1).value() == 1 && optional.none().or(optional.of(2)).value() == 2",
    "optional.ofNonZeroValue('').hasValue() == false && optional.ofNonZeroValue(1).hasValue()",
    "[?optional.of(1), ?optional.none(), 3] == [1, 3]",
    "{?'a': optional.none(), 'b': 1} == {'b': 1}",
    "object.?spec.optMap(s, s.replicas).orValue(0) == 3",
    "optional.of(1).optFlatMap(v, optional.none()).hasValue() == false",
    # Types.
    "type(1) == int && type('a') == string && type(null) == null_type && type(type(1)) == type",
    "type([]) == list && type({}) == map && type(1.0) == double && type(1u) == uint",
    "type(timestamp('2020-01-01T00:00:00Z')) == google.protobuf.Timestamp",
    "type(ip('::1')) == net.IP",
    "int('42') == 42 && int(3.9) == 3 && int(-3.9) == -3 && uint(3) == 3u && double(3) == 3.0",
    "string(1.0) == '1' && string(1.5) == '1.5' && string(true) == 'true' && string(b'a') == 'a'",
    "bool('true') && !bool('F') && bytes('é').size() == 2",
    # Times.
    "timestamp('2023-12-25T08:09:10.5Z').getFullYear() == 2023",
    "timestamp('2023-12-25T08:09:10.5Z').getMonth() == 11",
    "timestamp('2023-12-25T08:09:10.5Z').getDate() == 25",
    "timestamp('2023-12-25T08:09:10.5Z').getDayOfMonth() == 24",
    "timestamp('2023-12-25T08:09:10.5Z').getDayOfWeek() == 1",
    "timestamp('2023-12-25T08:09:10.5Z').getDayOfYear() == 358",
    "timestamp('2023-12-25T08:09:10.5Z').getMilliseconds() == 500",
    "timestamp('2023-12-25T23:00:00Z').getHours('+02:00') == 1",
    "timestamp('2023-12-25T23:00:00Z').getDate('Europe/Berlin') == 26",
    "timestamp('2023-01-01T00:00:00Z') + duration('1h') > timestamp('2023-01-01T00:59:59Z')",
    "timestamp('2023-01-01T01:00:00Z') - timestamp('2023-01-01T00:00:00Z') == duration('3600s')",
    "duration('1h30m').getMinutes() == 90 && duration('-1.5s').getSeconds() == -1",
    "string(duration('1m')) == '60s' && string(timestamp(0)) == '1970-01-01T00:00:00Z'",
    # Kubernetes' libraries.
    "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('x') == ''",
    "'123 abc 456'.findAll('[0-9]+') == ['123', '456']",
    "object.long.find('[a*+]x$') == 'ax' && object.long.find('a+x').size() == 2000",
    "'123 abc 456'.findAll('[0-9]+', 1) == ['123'] && 'a'.findAll('a', 0) == []",
    "url('https://example.com:80/p%20a?k=v&k=w').getHost() == 'example.com:80'",
    "url('https://example.com:80/').getPort() == '80' && url('https://[::1]/').getPort() == ''",
    "url('https://[::1]:80/').getHostname() == '::1'",
    "url('https://e.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
    "url('https://e.com/?k=v&k=w').getQuery()['k'] == ['v', 'w']",
    "isURL('/path') && !isURL('../relative-path') && isURL('https://user:pass@example.com:80/')",
    "quantity('1.5Gi').isGreaterThan(quantity('1G')) && quantity('50k').asInteger() == 50000",
    "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
    "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('-1').sign() == -1",
    "isQuantity('1.3Gi') && !isQuantity('200K') && !quantity('1m').isInteger()",
    "quantity('50k').asApproximateFloat() == 50000.0",
    "ip('127.0.0.1').family() == 4 && ip('::1').isLoopback() && isIP('10.0.0.1')",
    "!isIP('127.0.0.256') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
    "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
    "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
    "ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
    "string(ip('::1')) == '::1' && ip('0.0.0.0').isUnspecified()",
    "cidr('192.168.0.0/24').containsIP('192.168.0.1')",
    "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))",
    "cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25') && !isCIDR('192.168.0.0/33')",
    "cidr('192.168.1.5/24').masked() == cidr('192.168.1.0/24')",
    "cidr('192.168.0.0/24').prefixLength() == 24 && cidr('10.0.0.1/8').ip() == ip('10.0.0.1')",
    "format.dns1123Label().validate('my-label-name') == optional.none()",
    "format.dns1123Label().validate('Bad_').hasValue()",
    "format.named('dns1123Subdomain').hasValue() && !format.named('nothing').hasValue()",
    "!format.dns1123LabelPrefix().validate('prefix-').hasValue()",
    "!format.date().validate('2021-01-01').hasValue() && format.date().validate('x').hasValue()",
    "format.uuid().validate('123e4567-e89b-12d3-a456-426614174000') == optional.none()",
    "format.byte().validate('aGVsbG8=') == optional.none()",
]


@pytest.mark.parametrize("source", TRUE)
def test_expression_is_true(source: str) -> None:
    assert evaluate(source) is True


FAILING = [
    ("object.missing", "no such key: missing"),
    ("object.metadata.labels['x']", "no such key: x"),
    ("object.spec.none.x", "no such key: x"),
    ("[1][5]", "index out of bounds: 5"),
    ("1 / int(object.spec.replicas - 3)", "division by zero"),
    ("5 % (object.spec.replicas - 3)", "modulus by zero"),
    ("9223372036854775807 + 1", "integer overflow"),
    ("-9223372036854775808 / -1", "integer overflow"),
    ("0u - 1u", "unsigned integer overflow"),
    ("object.spec.replicas + 'a'", "no such overload"),
    ("object.metadata.name < 1", "no such overload"),
    ("object.spec && true", "no such overload"),
    ("quantity('Three')", "quantities must match the regular expression"),
    ("ip('127.0.0.256')", "unable to parse IP"),
    ("cidr('192.168.0.0')", "network address parse error"),
    ("url('../x')", "URL parse error during conversion from string"),
    ("[].min()", "min called on empty list"),
    ("optional.none().value()", "optional.none() dereference"),
    ("'abc'.substring(5)", "index out of range: 5"),
    ("'%d'.format(['a'])", "decimal clause can only be used on integers, was given string"),
    ("'%s %s'.format(['a'])", "index 1 out of range"),
    ("int('x')", "invalid syntax"),
    ("timestamp(object.metadata.name)", "parsing time"),
    ("{'a': 1, 'a': 2}", "Failed with repeated key: a"),
    ("oldObject.spec.x == 1", "no such key: spec"),
    ("'aab'.find('(a+)+b')", "repetition of what repeats"),
    ("object.long.find('.*.*.*x')", "find would take too long in 2000 characters"),
]


@pytest.mark.parametrize(("source", "message"), FAILING)
def test_expression_has_no_value(source: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(source)
    assert message in str(caught.value)


REFUSED = [
    ("nothing.x", "undeclared reference to 'nothing' (in container '')"),
    ("object.foo()", "undeclared reference to 'foo' (in container '')"),
    ("1 + 'a'", "found no matching overload for '_+_' applied to '(int, string)'"),
    ("1 == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
    ("!1", "found no matching overload for '!_' applied to '(int)'"),
    ("'a'.size(1)", "found no matching overload for 'size' applied to 'string.(int)'"),
    ("[1, 'a']", "expected type 'int' but found 'string'"),
    ("true ? 1 : 'a'", "found no matching overload for '_?_:_' applied to '(bool, int, string)'"),
    ("object.", "Syntax error: mismatched input '<EOF>'"),
    ("(1", "Syntax error: mismatched input '<EOF>'"),
    ("'abc", "Syntax error: token recognition error"),
    ("1 2", "Syntax error: mismatched input '2'"),
    ("has(object)", "invalid argument to has() macro"),
    ("[1].all(1, true)", "argument must be a simple name"),
    ("(5).all(x, true)", "expression of type 'int' cannot be range of a comprehension"),
    ("if", "reserved identifier: if"),
    ("'a'.matches('(')", "invalid matches argument"),
    ("duration('1x')", "invalid duration argument"),
    ("99999999999999999999", "invalid int literal"),
    (r"'\q'", "unable to unescape string"),
    ("(" * 80 + "1" + ")" * 80, "max recursion depth exceeded"),
    ("1" + " + 1" * 300, "max recursion depth exceeded"),
    ("x" + ".x" * 300, "max recursion depth exceeded"),
    ("1" * 100_001, "expression code point size exceeds limit"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED, ids=range(len(REFUSED)))
def test_expression_is_refused(source: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile(source, VARIABLES)
    assert message in str(caught.value)


def test_fault_shows_where_it_stands() -> None:
    with pytest.raises(CompileError) as caught:
        compile("true &&\n  nothing", VARIABLES)
    assert str(caught.value) == (
        "ERROR: <input>:2:3: undeclared reference to 'nothing' (in container '')\n"
        " |   nothing\n | ..^"
    )


def test_long_chains_of_logic_do_not_nest() -> None:
    assert evaluate(" && ".join(["true"] * 2000)) is True


def test_deep_nesting_within_the_bound_is_evaluated() -> None:
    assert evaluate("(" * 40 + "1" + ")" * 40 + " == 1") is True


def test_declared_types_are_held_to() -> None:
    spec = Type(
        "object", fields={"replicas": INT, "names": list_of(STRING), "of": map_of(STRING, INT)}
    )
    declared = {"self": Type("object", fields={"spec": spec})}
    assert compile("self.spec.replicas > 1", declared).type.name == "bool"
    assert compile("self.spec.names[0]", declared).type == STRING
    assert compile("self.spec.of.x", declared).type == INT
    with pytest.raises(CompileError, match="undefined field 'replica'"):
        compile("self.spec.replica > 1", declared)
    with pytest.raises(CompileError, match="no matching overload"):
        compile("self.spec.names.all(n, n > 1)", declared)


def test_evaluation_ends_at_its_budget() -> None:
    items = list(range(2000))
    program = compile("x.all(a, x.all(b, x.all(c, a + b + c >= 0)))", VARIABLES)
    with pytest.raises(BudgetExceeded):
        program.evaluate({"x": items}, Budget())


def test_budget_is_shared() -> None:
    budget = Budget(5000)
    program = compile("x.all(a, a >= 0)", VARIABLES)
    assert program.evaluate({"x": list(range(500))}, budget) is True
    assert 0 < budget.left < 5000
    with pytest.raises(BudgetExceeded):
        program.evaluate({"x": list(range(5000))}, budget)


def test_doubling_a_text_is_charged() -> None:
    source = "x.map(a, x.map(b, 'aaaaaaaaaa'.replace('a', '" + "b" * 5000 + "')))"
    with pytest.raises(BudgetExceeded):
        compile(source, VARIABLES).evaluate({"x": list(range(1000))}, Budget())


def test_catastrophic_expression_is_matched_in_linear_time() -> None:
    assert evaluate("'" + "a" * 5000 + "'.matches('^(a+)+$')") is True
    assert evaluate("'" + "a" * 5000 + "!'.matches('^(a+)+$')") is False


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (UInt(1), 1, True),
        ("1", 1, False),
        (None, False, False),
        ([1, [2]], [1.0, [2]], True),
        ({"a": 1}, {"a": True}, False),
        (Duration(1), Duration(1), True),
        (Duration(1), Timestamp(1), False),
        (float("nan"), float("nan"), False),
    ],
)
def test_equality(left: object, right: object, same: bool) -> None:
    assert equal(left, right) is same
