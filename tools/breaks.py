# SPDX-License-Identifier: Apache-2.0
"""Break the product's code at random places, one after the other, and see which tests notice.

A comparison is turned, a condition forced, or a statement deleted, in a copy of the checkout. The
tests that need no services run there until one fails. What no test notices is named: it may mean
the same as before, be seen by an end-to-end test alone, or want a test.

usage: python tools/breaks.py [--count 60] [--seed 1] [--only FILE:LINE]
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each gets an equal share of the breaks. By package, the tests that are likely to notice.
PACKAGES = {
    "heat_zaqar_transport/resources": "tests/unit/resources tests/engine",
    "heat_zaqar_transport/wire": "tests/unit/wire",
    "collector/heat_zaqar_collector": "tests/unit/collector",
    "hooks/heat_zaqar_hooks": "tests/unit/hooks",
}
ALL_TESTS = "tests/unit tests/engine"
TIMEOUT_S = 600
TURNED = {
    ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


@dataclass(frozen=True)
class Break:
    """One place, and what stands there instead."""

    path: str
    line: int
    kind: str
    before: str
    after: str
    start: int
    end: int

    def __str__(self) -> str:
        before, after = (" ".join(text.split())[:60] for text in (self.before, self.after))
        return f"{self.path}:{self.line} {self.kind}: {before} -> {after}"

    def applied(self, source: bytes) -> bytes:
        """Return a file's content with the break in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def breaks_of(path: Path) -> Iterator[Break]:
    """List every break of a file. Log lines, docstrings and annotations are left alone."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def made(node: ast.AST, kind: str, after: str) -> Break:
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        name = str(path.relative_to(ROOT))
        return Break(name, node.lineno, kind, source[start:end].decode(), after, start, end)

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                sides = (ast.unparse(left), ast.unparse(right))
                yield made(node, "turned", f"({sides[0]} {TURNED[type(operator)]} {sides[1]})")
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                for forced in ("True", "False"):
                    if not (isinstance(node, ast.While) and forced == "True"):
                        yield made(test, "forced", forced)
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Expr() if ast.unparse(node).startswith("LOG."):
                continue
            case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise() | ast.Return():
                if not isinstance(node, ast.Assign) or node.col_offset:
                    yield made(node, "deleted", "pass")


def chosen(count: int, seed: int) -> list[Break]:
    """Draw breaks, as many of each package."""
    draw = random.Random(seed)
    found = []
    for package in PACKAGES:
        places = [
            each for path in sorted((ROOT / package).rglob("*.py")) for each in breaks_of(path)
        ]
        found += draw.sample(places, count // len(PACKAGES))
    return found


def copied(directory: Path) -> Path:
    """Copy the checkout as git sees it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return directory


def noticed_by(copy: Path, tests: str, *options: str) -> str | None:
    """Return the first test that fails; `None`: all pass."""
    path = os.pathsep.join(str(copy / each) for each in ("", "collector", "hooks"))
    # Compiled files are told by whole seconds: one break could be taken for another.
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *options)
    try:
        done = subprocess.run(
            [*command, *tests.split()], cwd=copy, env=environ,
            capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no end within {TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].partition(" - ")[0] if lines else "the tests could not start"


def main() -> int:
    """Break, test, report; the exit status is that of the goal: nine in ten are noticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--count", type=int, default=60, help="how many breaks (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    parser.add_argument("--only", metavar="FILE:LINE", help="of these breaks, those of one line")
    arguments = parser.parse_args()
    spread = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")
    survivors = []
    breaks = chosen(arguments.count, arguments.seed)
    if arguments.only:
        breaks = [each for each in breaks if f"{each.path}:{each.line}" == arguments.only]
    with tempfile.TemporaryDirectory(prefix="breaks-") as directory:
        copy = copied(Path(directory))
        for number, each in enumerate(breaks, 1):
            target = copy / each.path
            whole = target.read_bytes()
            target.write_bytes(each.applied(whole))
            try:
                package = next(name for name in PACKAGES if each.path.startswith(name))
                by = noticed_by(copy, PACKAGES[package], *spread)
                by = by or noticed_by(copy, ALL_TESTS, *spread)
            finally:
                target.write_bytes(whole)
            if by is None:
                survivors.append(each)
            print(f"{number}/{len(breaks)} {each}\n    {by or 'NOT NOTICED'}", flush=True)
    print(f"{len(breaks) - len(survivors)} of {len(breaks)} noticed; not noticed:")
    print("\n".join(map(str, survivors)) or "none")
    return 0 if len(survivors) <= len(breaks) / 10 else 1


if __name__ == "__main__":
    sys.exit(main())
