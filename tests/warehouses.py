"""Warehouse folders for tests: made from a landing folder, built, and compared by the hash of their tables."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from alems_pipeline import build, sql_files
from alems_pipeline.build import TABLE_LAYERS
from alems_pipeline.warehouse import Warehouse, connect_published
from collectors.sources.alems_store import import_store

DATA = Path(__file__).parent / "data"
TRACKED_RUN = "0123456789abcdef0123456789abcdef"  # that the predictions of example_home are by
VOLATILE = {"computed_at"}  # columns that say when something was computed, which differs from run to run


def warehouse_with(landing: Path, folder: Path) -> Path:
    """A warehouse folder whose landing holds the files of `landing`, as hard links where the disk is the same."""
    home = folder / "warehouse"
    link_landing(landing, home)
    return home


def link_landing(landing: Path, home: Path, prefix: str = "") -> None:
    """Add the files of `landing` to a warehouse's landing, their names behind `prefix`."""
    for source in sorted(landing.rglob("*.parquet")):
        relative = source.relative_to(landing)
        target = home / "landing" / relative.with_name(prefix + relative.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            target.write_bytes(source.read_bytes())


def land_examples(landing: Path) -> None:
    """Drop the two example stores."""
    for store in ("host_a.db", "host_b.db"):
        import_store(DATA / store, landing)


def materialize(home: Path) -> None:
    """What `alems materialize` does, in this process and without Dagster."""
    warehouse = Warehouse(home)
    build_landed_days(warehouse)
    build_all_tables(warehouse)
    build.publish(warehouse)


def build_landed_days(warehouse: Warehouse) -> None:
    """Build every day of which something landed that is not built yet."""
    with warehouse.write() as con:
        plan = build.plan(warehouse, con)
    build.build_days(warehouse, plan.days)


def build_all_tables(warehouse: Warehouse) -> None:
    """Make all tables and views, and run all checks."""
    with warehouse.write() as con:
        for layer in TABLE_LAYERS:
            build.build_tables(con, warehouse, sql_files.layer_files(layer))
        build.run_checks(con, sql_files.layer_files("checks"))


def alems(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The real command, started on a warehouse."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("alems"), *arguments],
        env={**os.environ, "ALEMS_WAREHOUSE": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def succeeds(process: subprocess.Popen[str]) -> str:
    """Wait for a command that has to succeed; its output."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def table_hashes(published: Path) -> dict[str, tuple[int, int]]:
    """Rows and content hash, whatever the order, of every table and view that analysts see."""
    with connect_published(published) as con:
        return {name: _hash(con, name) for name in _names(con)}


def but_for_files(hashes: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Those of tables that say nothing of the landing files that something is from."""
    lineage = {f"main.{name}" for name in ("lineage_things", "lineage_steps", "lineage_nodes", "lineage_edges")}
    of_files = {"stage.landing_subjects", "main.v_run_lineage", *lineage}
    return {name: hash_ for name, hash_ in hashes.items() if name not in of_files}


def _names(con: duckdb.DuckDBPyConnection) -> Sequence[str]:
    rows = con.execute(
        "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema <> 'ops' ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows]


def _hash(con: duckdb.DuckDBPyConnection, name: str) -> tuple[int, int]:
    columns = [row[0] for row in con.execute(f"DESCRIBE {name}").fetchall()]
    kept = ", ".join(f'"{column}"' for column in columns if column not in VOLATILE)
    [(n_rows, total)] = con.execute(
        f"SELECT count(*), coalesce(sum(hash(row_)::HUGEINT), 0) FROM (SELECT row({kept}) AS row_ FROM {name})"
    ).fetchall()
    return n_rows, int(total)
