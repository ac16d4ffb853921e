"""The process that fuzzes one target: instruments its packages, then gives it octets for ever."""

from __future__ import annotations

import logging
import sys

import atheris


def main() -> None:
    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=_packages(name)):
        from fuzzing.registry import TARGETS
    logging.disable(logging.CRITICAL)
    target = TARGETS[name]
    atheris.Setup([sys.argv[0], *arguments], target)
    atheris.Fuzz()


def _packages(name: str) -> list[str]:
    """Return what to instrument; asked of a fresh process, since imports happen once."""
    import subprocess

    code = f"from fuzzing.registry import TARGETS; print(*TARGETS[{name!r}].packages)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return asked.stdout.decode().split()


if __name__ == "__main__":
    main()
