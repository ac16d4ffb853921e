"""awk's usual one-liners, and what is refused."""

from __future__ import annotations

import pytest

from podruntime.images.busybox import APPLETS
from podruntime.images.process import Octets, find_program

from .processes import process

PODS = """NAME READY STATUS RESTARTS AGE
web-1 1/1 Running 0 5m
web-2 0/1 CrashLoopBackOff 12 5m
db-0 1/1 Running 3 2d
"""
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"


async def awk(*words: str, stdin: str = PODS, files=None):
    """Run awk; return its output, what it complained of, and its status."""
    made = process(["awk", *words], files=files)
    made.stdin = Octets(stdin.encode())
    status = await find_program(APPLETS, "awk")(made)
    return made, (made.stdout.taken().decode(), made.stderr.taken().decode(), status)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{print $1}"], "NAME\nweb-1\nweb-2\ndb-0\n"),
        (["NR>1 {print $1, $3}"], "web-1 Running\nweb-2 CrashLoopBackOff\ndb-0 Running\n"),
        (["NR==1"], "NAME READY STATUS RESTARTS AGE\n"),
        (["/Running/ {n++} END {print n}"], "2\n"),
        (["!/Running/ && NR > 1 {print $NF}"], "5m\n"),
        (["NR>1 {sum += $4} END {print sum, sum/3}"], "15 5\n"),
        (["NR > 1 && $3 != \"Running\" && $4 > 5 {print $1}"], "web-2\n"),
        (["NR>1{a[$3]++} END{for (s in a) print s, a[s]}"], "Running 2\nCrashLoopBackOff 1\n"),
        (["{print NF}"], "5\n5\n5\n5\n"),
        (["END{print NR}"], "4\n"),
        (["{print $(NF-1)}"], "RESTARTS\n0\n12\n3\n"),
        (["NR==2{$2=\"x\"; print}"], "web-1 x Running 0 5m\n"),
        (["-v", "n=web-2", "$1 == n {print $3; exit}"], "CrashLoopBackOff\n"),
        (["NR==2,NR==3{print $1}"], "web-1\nweb-2\n"),
        (["/web-1/,/web-2/{print $1}"], "web-1\nweb-2\n"),
        (["BEGIN{FS=\"/\"} NR==2{print $2}"], "1 Running 0 5m\n"),
        (["NR>1{split($2, p, \"/\"); if (p[1] == p[2]) print $1}"], "web-1\ndb-0\n"),
        (["NR>1 {printf \"%-8s|%3d|%5.1f%%\\n\", $1, $4, $4}"],
         "web-1   |  0|  0.0%\nweb-2   | 12| 12.0%\ndb-0    |  3|  3.0%\n"),
        (["NR>1{gsub(/-/, \"_\", $1); print toupper($1)}"], "WEB_1\nWEB_2\nDB_0\n"),
        (["NR==2{sub(/[0-9]+/, \"<&>\"); print}"], "web-<1> 1/1 Running 0 5m\n"),
        (["NR>1{print length($1), length, substr($1, 1, 3), index($1, \"-\")}"],
         "5 22 web 4\n5 32 web 4\n4 21 db- 3\n"),
        (["NR>1 && match($1, /[0-9]+/) {print RSTART, RLENGTH}"], "5 1\n5 1\n4 1\n"),
        (["NR>1{max = $4 > max ? $4 : max} END{print max}"], "12\n"),
        (["{ if (NR == 1) next; else if ($4 == 0) { print \"none\" } else print \"some\" }"],
         "none\nsome\nsome\n"),
        (["BEGIN{for (i = 1; i <= 3; i++) s = s i; print s; while (i > 0) i--; print i}"],
         "123\n0\n"),
        (["BEGIN{do { n += 2; if (n == 4) continue; if (n > 6) break } while (1); print n}"],
         "8\n"),
        (["BEGIN{OFS=\"-\"; print 1, 2.50, 1e3, 2^10, 7%3, -3, 1/4}"],
         "1-2.5-1000-1024-1-3-0.25\n".replace("1-3", "1--3")),
        (["BEGIN { print 1 == 1.0, \"a\" < \"b\", \"10\" < \"9\", !0, 2 in x, x[2] }"],
         "1 1 1 1 0 \n"),
        (["BEGIN{x[1]; x[2]; delete x[1]; print length(x), (1 in x), (2 in x)}"], "1 0 1\n"),
        (["BEGIN{a[1,2]=3; for (k in a) {split(k, p, SUBSEP); print p[1] p[2]}\n"
          " print ((1,2) in a)}"],
         "12\n1\n"),
        (["BEGIN { if (x == 0 && x == \"\") print \"unset\" }"], "unset\n"),
        (["NR>1 && !seen[$3]++ {print $3}"], "Running\nCrashLoopBackOff\n"),
        (["NR > 1 { line[NR] = $1 } END { for (i = NR; i > 1; i--) print line[i] }"],
         "db-0\nweb-2\nweb-1\n"),
        (["BEGIN{printf \"%s %5d|%x|%c|%05.2f\\n\", \"a\", 42, 255, 65, 3.14159}"],
         "a    42|ff|A|03.14\n"),
        (["$1 ~ /^web/ {print $1} # a comment"], "web-1\nweb-2\n"),
        (["\n$1 !~ \"web\" {\n  print $1;\n}\n"], "NAME\ndb-0\n"),
        (["BEGIN{print substr(\"hello\", 2), tolower(\"AB\"), int(3.9), sqrt(16)}"],
         "ello ab 3 4\n"),
        (["{$1=\"\"; print}"], " READY STATUS RESTARTS AGE\n 1/1 Running 0 5m\n"
                               " 0/1 CrashLoopBackOff 12 5m\n 1/1 Running 3 2d\n"),
        (["BEGIN{print ENVIRON[\"NOBODY\"] \"x\"}"], "x\n"),
        (["BEGIN{RS=\"\"}{print NR \":\" $1}"], "1:NAME\n"),
        (["BEGIN { print (1)(2), -2 \" \" 3 }"], "12 -2 3\n"),
        (["BEGIN{print 1e6, 1000000*3, 0.1+0.2, 1e300*1e300 > 1}"], None),
    ],
    ids=lambda _value: "",
)  # fmt: skip
async def test_one_liners(words, said):
    made, (out, complaint, status) = await awk(*words)
    if said is None:  # `>` writes a file; its name is a number.
        assert (out, status) == ("", 0)
        assert made.files.read(made.path("1")) == b"1000000 3000000 0.3 inf\n"
        return
    assert (out, complaint, status) == (said, "", 0)


@pytest.mark.asyncio
async def test_files_separators_and_redirection():
    made, (out, complaint, status) = await awk(
        "-F:", '$3 >= 1000 {print $1 > "/tmp/people"} {print FILENAME, FNR, $7}', "/etc/users",
        files={"/etc/users": PASSWD},
    )  # fmt: skip
    assert (out, complaint, status) == ("/etc/users 1 /bin/sh\n/etc/users 2 /bin/false\n", "", 0)
    assert made.files.read("/tmp/people") == b"nobody\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("{print $1", "unexpected token"),
        ("BEGIN{print 1/0}", "division by zero"),
        ("BEGIN{while(1) i++}", "more than"),
        ('BEGIN{x = "a"; for(;;) x = x x}', "more than"),
        ("BEGIN{print `}", "unexpected token"),
        ("BEGIN{print substr(1)}", "wrong number of arguments"),
        ("BEGIN{$(-1)}", "negative field"),
        ("BEGIN{$99999999 = 1}", "too many fields"),
        ("{getline; print}", ""),
        ("BEGIN{print " + "(" * 500 + "1" + ")" * 500 + "}", "too deep"),
        ("BEGIN{print " + "!" * 5000 + "1}", "too deep"),
        ("BEGIN{print 1" + "+1" * 5000 + "}", "too deep"),
        ("BEGIN" + "{" * 5000, "too deep"),
        ("/(/", "bad regex"),
    ],
    ids=lambda _value: "",
)
async def test_refusals(program, told):
    _, (_out, complaint, status) = await awk(program)
    if told:
        assert (status, complaint.startswith("awk: ")) == (1, True)
    assert told in complaint
