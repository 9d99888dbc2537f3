"""`alems demo`: a short session really measured on this host, the example stores beside it, and the tax by task."""

import socket
import sys
from pathlib import Path
from typing import Final

import duckdb
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from alems_pipeline.cli_common import Interrupted
from alems_pipeline.warehouse import Warehouse
from collectors import workload
from collectors.measure import PRODUCER
from collectors.sensors.idle_baseline import NoBaseline
from collectors.session import Progress as SessionProgress
from collectors.session import Session, Subject
from collectors.sources.alems_store import import_store

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "tests" / "data"
EXAMPLE_STORES: Final = ("host_a.db", "host_b.db")

TAX_BY_TASK: Final = """
    SELECT
        e.task_name,
        h.hostname,
        CASE WHEN t.is_estimated THEN 'estimated' WHEN NOT t.is_estimated THEN 'measured' ELSE 'unknown' END AS energy,
        count(*) AS pairs,
        median(t.tax_multiplier) AS median_times,
        min(t.tax_multiplier) AS least_times,
        max(t.tax_multiplier) AS most_times,
        median(a.total_energy_uj / l.total_energy_uj) AS median_total_times,
        median(l.total_energy_uj) / 1e6 AS linear_j,
        median(a.total_energy_uj) / 1e6 AS agentic_j,
        median(a.energy_lo_uj) / 1e6 AS agentic_lo_j,
        median(a.energy_hi_uj) / 1e6 AS agentic_hi_j
    FROM main.orchestration_tax_summary AS t
    JOIN main.runs AS a ON a.run_id = t.agentic_run_id
    JOIN main.runs AS l ON l.run_id = t.linear_run_id
    JOIN main.experiments AS e ON e.exp_id = t.exp_id
    LEFT JOIN main.hardware_config AS h ON h.hw_id = a.hw_id
    GROUP BY ALL
    ORDER BY ALL
"""

UNFIT_RUNS: Final = """
    WITH measured_here AS (
        SELECT r.run_id, q.experiment_valid, unnest([NULL] || regexp_extract_all(q.reasons, '[a-z_]+')) AS reason
        FROM main.runs AS r
        JOIN main.run_quality AS q ON q.run_id = r.run_id
        JOIN main.hardware_config AS h ON h.hw_id = r.hw_id
        WHERE r.source_system = $system AND h.hostname = $host
    )
    SELECT
        reason, -- NULL: whatever the reason
        count(*) FILTER (WHERE NOT experiment_valid) AS n_unfit,
        count(*) AS n_runs
    FROM measured_here
    GROUP BY reason
    ORDER BY reason NULLS FIRST
"""


def collect(files: Warehouse, seconds: int, pairs: int, out: Console, err: Console) -> None:
    """Measure an idle baseline and linear/agentic pairs of each built-in task; then land the example stores.

    Raises Interrupted where a signal ended the measuring.
    """
    session = Session(files.landing, tell=lambda message: out.print(f"  {message}", highlight=False, markup=False))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def show(state: SessionProgress) -> None:
            progress.update(bar, description=state.text, completed=state.done, total=state.total)

        out.print(f"Idle baseline: {seconds} s. Leave the machine alone meanwhile.", highlight=False)
        try:
            session.run_baseline(seconds=seconds, on_progress=show)
        except NoBaseline as refused:
            out.print(f"  no baseline: {refused}", highlight=False, markup=False)
        for task in workload.TASKS:
            out.print(f"Measuring {pairs} linear/agentic pairs of the task {task}.", highlight=False)
            subject = Subject(experiment="demo", task=task, model="trigram", provider="local")
            session.compare(
                subject, _command("linear", task), _command("agentic", task), repeat=pairs, on_progress=show
            )
            if session.interrupted_by is not None:
                raise Interrupted(session.interrupted_by, "what was measured has landed, `alems materialize` builds it")
    for store in EXAMPLE_STORES:
        import_store(EXAMPLES / store, files.landing)
    out.print(f"Landed {len(EXAMPLE_STORES)} example A-LEMS stores ({', '.join(EXAMPLE_STORES)}).", highlight=False)


def _command(workflow: str, task: str) -> list[str]:
    return [sys.executable, "-m", "collectors.workload", workflow, "--task", task]


def print_tax(con: duckdb.DuckDBPyConnection, out: Console) -> None:
    """Orchestration tax by task: how much more dynamic energy the agentic form takes than the linear one."""
    table = Table(title="Orchestration tax by task: dynamic energy, agentic ÷ linear", title_justify="left")
    for name in ("task", "host", "energy", "pairs", "median ×", "range ×", "total ×", "linear J", "agentic J",
                 "agentic bounds J"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("task", "host", "energy") else "right")
    for task, host, energy, pairs, median, least, most, total, linear, agentic, lo, hi in con.execute(
        TAX_BY_TASK
    ).fetchall():
        table.add_row(
            task, host, energy, str(pairs), _number(median), _range(least, most),
            _number(total), _number(linear), _number(agentic), _range(lo, hi),
        )  # fmt: skip
    out.print(table)
    out.print(
        "×: dynamic energy, above idle; – where no idle baseline is known. total ×: idle included. "
        "J: medians of whole runs; bounds are certain, not statistical.",
        highlight=False,
    )
    unfit = con.execute(UNFIT_RUNS, {"system": PRODUCER, "host": socket.gethostname()}).fetchall()
    if unfit and unfit[0][1]:
        [(_, n_unfit, n_runs), *by_reason] = unfit
        reasons = ", ".join(f"{reason} {n}" for reason, n, _ in by_reason)
        out.print(f"{n_unfit} of {n_runs} runs measured here are not valid: {reasons}.", highlight=False)


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{_number(low)} – {_number(high)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
