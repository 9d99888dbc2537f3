"""`make bench`: speed and memory of what exists, each as a ratio to its bare equivalent measured in the same run.

A module of this folder called bench_<subject> has `figures(small) -> list[Figure]`. `python -m tests.benchmarks
SUBJECT …` runs some of them; `--small` runs them at a size that takes seconds, to see that they work.
"""

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure


def main(arguments: list[str]) -> None:
    small = "--small" in arguments
    wanted = [argument for argument in arguments if not argument.startswith("--")]
    console = Console(width=None if sys.stdout.isatty() else 160)
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        subject = path.stem.removeprefix("bench_")
        if wanted and subject not in wanted:
            continue
        console.print(f"[bold]{subject}[/bold] …")
        module = importlib.import_module(f"tests.benchmarks.{path.stem}")
        figures: list[Figure] = module.figures(small)
        table = Table("figure", "measured", "target", "bare", "memory")
        for figure in figures:
            style = "" if figure.met is None else "green" if figure.met else "red"
            table.add_row(figure.name, figure.measured, figure.target, figure.bare, figure.memory, style=style)
        console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
