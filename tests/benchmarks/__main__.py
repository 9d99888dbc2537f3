"""`make bench`: speed and memory of what exists, each as a ratio to its bare equivalent measured in the same run.

A module of this folder called bench_<subject> has `figures(small) -> list[Figure]`. `python -m tests.benchmarks
SUBJECT …` runs some of them; `--small` runs them at a size that takes seconds, to see that they work.
"""

import argparse
import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure

SUBJECTS = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Speed and memory, as ratios.")
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(SUBJECTS)}; all where none is named")
    parser.add_argument("--small", action="store_true", help="a size that takes seconds, to see that they work")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.subjects) - set(SUBJECTS)):
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    console = Console(width=None if sys.stdout.isatty() else 160)
    for subject in chosen.subjects or SUBJECTS:
        console.print(f"[bold]{subject}[/bold] …")
        module = importlib.import_module(f"tests.benchmarks.bench_{subject}")
        figures: list[Figure] = module.figures(chosen.small)
        table = Table("figure", "measured", "target", "bare", "memory")
        for figure in figures:
            style = "" if figure.met is None else "green" if figure.met else "red"
            table.add_row(figure.name, figure.measured, figure.target, figure.bare, figure.memory, style=style)
        console.print(table)


if __name__ == "__main__":
    main()
