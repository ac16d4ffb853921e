"""The shell, by scripts as manifests write them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podruntime.images import agnhost
from podruntime.images.shell import arithmetic, parser
from podruntime.images.shell.builtins import sh as sh_program
from podruntime.images.shell.lexer import SyntaxError_

from .processes import process, sh

pytestmark = pytest.mark.asyncio

SCRIPTS = [
    ("echo a; echo b", "a\nb\n"),
    ("true && echo yes || echo no", "yes\n"),
    ("false && echo yes || echo no", "no\n"),
    ("! false && echo negated", "negated\n"),
    ("if false; then echo 1; elif true; then echo 2; else echo 3; fi", "2\n"),
    ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done", "1\n2\n3\n"),
    ("until true; do echo never; done; echo done", "done\n"),
    ("for x in a 'b c' d; do echo \"<$x>\"; done", "<a>\n<b c>\n<d>\n"),
    ("for x; do echo $x; done", "one\ntwo\n"),
    ("for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done", "1\n3\n"),
    ("while true; do while true; do break 2; done; done; echo out", "out\n"),
    ("case web-1 in db*) echo db;; web-?|x) echo web;; esac", "web\n"),
    ("f() { echo f $1; return 3; }; f a; echo $?", "f a\n3\n"),
    ("x=1; (x=2; echo $x); echo $x", "2\n1\n"),
    ("{ echo a; echo b; } > /tmp/f; cat /tmp/f", "a\nb\n"),
    ("echo a > /tmp/f; echo b >> /tmp/f; cat < /tmp/f", "a\nb\n"),
    ("echo 1 >&2 2>/dev/null; ls /none 2>&1", "ls: /none: No such file or directory\n"),
    ("echo ${x:-\"a  b\"} ${x:-'c'}", "a b c\n"),
    ("echo hidden > /dev/null 2>&1; echo shown", "shown\n"),
    ("ls /none 2>/dev/null; echo $?", "1\n"),
    ("echo $(echo a; echo b) `echo c`", "a b c\n"),
    ('x="a  b"; echo $x; echo "$x"', "a b\na  b\n"),
    ("echo '$HOME' \"\\$x\" a\\ b", "$HOME $x a b\n"),
    ("echo ${x:-def} ${x-unset} ${#y}; y=four; echo ${#y} ${y:+set}", "def unset 0\n4 set\n"),
    ("p=/a/b.tar.gz; echo ${p##*/} ${p%.*} ${p%%.*} ${p#/}", "b.tar.gz /a/b.tar /a/b a/b.tar.gz\n"),
    (": ${z:=given}; echo $z", "given\n"),
    ('set -- a "b c"; for x in "$@"; do echo "$x"; done; echo $#', "a\nb c\n2\n"),
    ("set -- a b; shift; echo $1 $*", "b b\n"),
    ("n=1; a=(x 'y z' $n\n w); echo ${a[$n]}, ${a[-1]}, ${a[9]}. ${#a[@]} $a", "y z, w, . 4 x\n"),
    ('a=(x "y z"); for e in "${a[@]}"; do echo $e; done; echo "${a[*]}"', "x\ny z\nx y z\n"),
    ("a=(); echo ${#a[@]}; b=one; echo ${b[0]} ${#b[@]}; (b=(2)); echo $b", "0\none 1\none\n"),
    ("echo $((2 + 3 * 4)) $(( (1+2) * 3 )) $((7 / 2)) $((-7 % 3)) $((1 < 2))", "14 9 3 -1 1\n"),
    ("echo a b | wc -w | tr -d ' '", "2\n"),
    ("seq 5 | grep -v 3 | tail -n 2", "4\n5\n"),
    ("yes | head -n 2", "y\ny\n"),
    ("touch /tmp/a.x /tmp/b.x; cd /tmp; echo *.x '*.x'; echo /tmp/[a]*", "a.x b.x *.x\n/tmp/a.x\n"),
    ("cat <<EOF\nhello $1\nEOF\necho after", "hello one\nafter\n"),
    ("cat <<'EOF'\nhello $1\nEOF", "hello $1\n"),
    ("A=1 printenv A; echo ${A:-gone}", "1\ngone\n"),
    ("export B=2; printenv B", "2\n"),
    ("printf '' >/f; (printf ''; echo late) | while read a; do echo $a; done", "late\n"),
    ("echo one two | while read a b; do echo $b $a; done", "two one\n"),
    ("echo in the background & wait; echo done", "in the background\ndone\n"),
    ("set -e; false; echo never", ""),
    ("set -e; if false; then :; fi; false || true; echo reached", "reached\n"),
    ("trap 'echo bye' EXIT; echo hi", "hi\nbye\n"),
    ("eval 'x=5'; echo $x", "5\n"),
    ("echo a # comment\n# another\necho b", "a\nb\n"),
    ("echo a \\\n b", "a b\n"),
    ("exec echo replaced; echo never", "replaced\n"),
    ("echo '. ok' > /tmp/s; echo 'echo sourced' > /tmp/t; . /tmp/t", "sourced\n"),
    ("command -v wget nope; echo $?", "/bin/wget\n127\n"),
    ("printf '%s-%03d\\n' a 7 b 8", "a-007\nb-008\n"),
    ("[ -f /none ] || echo none; [ ! -d /tmp ] || echo tmp; test -z ''; echo $?", "none\ntmp\n0\n"),
    ("[ 1 -eq 1 -a a != b ] && echo both", "both\n"),
    ("test 2 -gt 10 -o x = x && echo either", "either\n"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "output"), SCRIPTS, ids=[s for s, _ in SCRIPTS])
async def test_script_writes(script, output):
    assert (await sh(script, "one", "two"))[1] == output


async def test_status_of_a_script_is_that_of_its_last_command():
    assert (await sh("true; false"))[0] == 1
    assert (await sh("exit 7; echo never"))[:2] == (7, "")
    assert (await sh("(exit 3)"))[0] == 3
    assert (await sh("false | true"))[0] == 0
    assert (await sh("nope"))[0::2] == (127, "sh: nope: not found\n")


async def test_errors_are_told_as_ash_tells_them():
    assert "unterminated quoted string" in (await sh("echo 'a"))[2]
    assert 'unexpected "done"' in (await sh("done"))[2]
    assert 'unexpected end of file (expecting "fi")' in (await sh("if true; then echo; "))[2]
    assert "x: needed" in (await sh("echo ${x:?needed}; echo never"))[2]
    assert "divide by zero" in (await sh("echo $((1/0))"))[2]
    assert "can't open /none/x: No such file or directory" in (await sh("echo a > /none/x"))[2]
    status, _, stderr = await sh("f() { f; }; f")
    assert (status, "too many nested calls" in stderr) == (2, True)


async def test_a_script_in_a_file_and_on_stdin():
    made = process(["sh", "/run.sh", "arg"], files={"/run.sh": "echo $0 $1"})
    assert await sh_program(made) == 0
    assert made.stdout.taken() == b"/run.sh arg\n"
    made = process(["sh"], stdin=b"echo from stdin\n")
    assert await sh_program(made) == 0
    assert made.stdout.taken() == b"from stdin\n"


async def test_a_busy_loop_lets_others_run():
    made = process(["sh", "-c", "while true; do :; done"])
    task = asyncio.get_running_loop().create_task(sh_program(made))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_sigterm_is_ignored_without_a_trap_and_ends_a_wait_with_one():
    assert process(["sh"]).on_terminate is None
    made = process(["sh", "-c", "trap 'echo caught; exit 9' TERM; sleep 600 & wait; echo never"])
    task = asyncio.get_running_loop().create_task(sh_program(made))
    async with asyncio.timeout(5):
        while made.on_terminate is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        made.on_terminate()
        assert await task == 9
    assert made.stdout.taken() == b"caught\n"


async def test_what_is_execed_gets_sigterm_in_the_shells_place():
    made = process(["sh", "-c", "exec agnhost pause > /dev/null"])
    made.programs = {**made.programs, **agnhost.IMAGE.programs}
    task = asyncio.get_running_loop().create_task(sh_program(made))
    async with asyncio.timeout(5):
        while made.terminated_with is None:
            await asyncio.sleep(0)
            if made.on_terminate is not None:
                made.on_terminate()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert made.terminated_with == 0


async def test_kill_reaches_the_first_process_and_background_jobs():
    first = process(["sleep", "600"])
    task = asyncio.get_running_loop().create_task(asyncio.sleep(600))
    first.on_terminate = task.cancel
    script = first.child(["sh", "-c", "kill -0 1; kill -9 1; kill -USR1 1; echo $?; kill -TERM 1"])
    assert await sh_program(script) == 0
    assert first.stdout.taken() == b"0\n"
    await asyncio.wait([task])
    assert task.cancelled()
    async with asyncio.timeout(5):
        assert (await sh("sleep 600 & kill $!; wait; echo over"))[1] == "over\n"
    status, _, said = await sh("kill 77")
    assert (status, said) == (1, "kill: can't kill pid 77: No such process\n")
    assert (await sh("kill -NO 1"))[2] == "sh: kill: bad signal name 'NO'\n"
    assert (await sh("killall nobody"))[2] == "killall: nobody: no process killed\n"


@given(st.text(alphabet="abx $(){}[]\"'`\\;&|<>#\n!=*?10-+", max_size=40))
@settings(max_examples=300)
async def test_any_text_parses_or_is_a_syntax_error(script):
    try:
        parser.parse(script)
    except SyntaxError_:
        return


@given(st.recursive(
    st.integers(0, 1000).map(str),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "<", "=="]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
    max_leaves=8,
))  # fmt: skip
async def test_arithmetic_agrees_with_python(expression):
    expected = int(eval(expression))
    if abs(expected) < 1 << 62:
        assert arithmetic.evaluate(expression, lambda _name: "") == expected


@given(st.text(alphabet="0123456789+-*/%<>=!&|^~() x", max_size=20))
async def test_any_expression_has_a_value_or_is_an_error(expression):
    try:
        arithmetic.evaluate(expression, lambda _name: "3")
    except arithmetic.ArithmeticError_:
        return
