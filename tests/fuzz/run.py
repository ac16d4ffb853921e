"""Let a coverage-guided fuzzer (atheris) at the targets, each for some seconds.

    python tests/fuzz/run.py --seconds 60            every target
    python tests/fuzz/run.py --seconds 600 host dns-answer

Inputs that reach new code are kept below .venv/fuzz/ for the next time; `--keep` writes a small
choice of them to the committed corpus. A finding is printed with its octets, and is the exit
status 1. Where there is no atheris (it wants Linux on x86-64, and Python below 3.14) this says so
and ends with 0.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "src"))
KEPT = HERE.parents[1] / ".venv" / "fuzz"

#: One input may take this long, the process this much memory, an input be this long.
TIMEOUT_S, RSS_MB, OCTETS_MAX = 10, 1500, 4000
#: Inputs that `--keep` commits for each target, none longer than this.
COMMITTED_MAX, COMMITTED_OCTETS_MAX = 12, 300


def main() -> int:
    """Fuzz each target in a process of its own."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("skipped: atheris is not installed (Linux on x86-64, Python below 3.14)")
        return 0
    from fuzzing.registry import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=10, help="for each target (10)")
    parser.add_argument("--keep", action="store_true", help="write to the committed corpus")
    options = parser.parse_args()
    unknown = sorted(set(options.targets) - set(TARGETS))
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    failed = [name for name in options.targets or TARGETS if not fuzz(name, options.seconds)]
    if options.keep:
        for name in options.targets or TARGETS:
            keep(name)
    print(f"findings in {', '.join(failed)}" if failed else "no findings")
    return 1 if failed else 0


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target; return whether nothing was found."""
    from fuzzing import corpus
    from fuzzing.registry import TARGETS

    folder = KEPT / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate((*TARGETS[name].seeds, *corpus.load(name))):
        (folder / f"known-{number}").write_bytes(octets)
    command = [
        sys.executable, str(HERE / "atheris_child.py"), name, str(folder),
        f"-max_total_time={seconds}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={RSS_MB}",
        f"-max_len={OCTETS_MAX}", f"-artifact_prefix={KEPT}/{name}-", "-print_final_stats=1",
        "-verbosity=0",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": f"{HERE}:{HERE.parents[1] / 'src'}"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    runs = next((line for line in said.splitlines() if "executed_units" in line), "")
    runs = runs.rpartition(" ")[2]
    found = f"ended by signal {-done.returncode}" if done.returncode < 0 else "FOUND"
    print(f"{name:16} {runs:>9} runs  {found if done.returncode else 'ok'}", flush=True)
    if done.returncode:
        print(said[-3000:])
    return done.returncode == 0


def keep(name: str) -> None:
    """Add some of what reached new code to the committed corpus, small ones of all sizes."""
    from fuzzing import corpus

    found = sorted((file.read_bytes() for file in (KEPT / name).iterdir()), key=len)
    found = [octets for octets in found if 0 < len(octets) <= COMMITTED_OCTETS_MAX]
    step = max(1, len(found) // COMMITTED_MAX)
    corpus.save(name, [*corpus.load(name), *found[::step]][: 2 * COMMITTED_MAX])


if __name__ == "__main__":
    raise SystemExit(main())
