"""What `alems status` says: days, files, quarantine, unmapped keys, checks, publication and its age."""

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.table import Table

from alems_pipeline import build
from alems_pipeline.warehouse import NotPublished, Warehouse, WarehouseBusy

STALE_AFTER = timedelta(hours=26)

QUERIES = {
    "datasets": """
        SELECT dataset, count(*) AS days, min(landing_date) AS first_day, max(landing_date) AS last_day,
            sum(n_files)::BIGINT AS files, sum(n_landed)::BIGINT AS landed, sum(n_stored)::BIGINT AS stored,
            sum(n_merged)::BIGINT AS merged, sum(n_duplicate)::BIGINT AS duplicate,
            sum(n_quarantined)::BIGINT AS quarantined
        FROM ops.landing_days GROUP BY dataset ORDER BY dataset""",
    "quarantined_rows": """
        SELECT dataset, reason, sum(n_rows)::BIGINT AS n_rows, count(*) AS days, min(path) AS example
        FROM ops.quarantine GROUP BY ALL ORDER BY ALL""",
    "quarantined_files": """
        SELECT path, landing_date, reason FROM ops.landing_files WHERE status = 'quarantined' ORDER BY path""",
    "unknown_columns": """
        SELECT dataset, unknown_columns, count(*) AS files, min(path) AS example
        FROM ops.landing_files WHERE len(unknown_columns) > 0 GROUP BY ALL ORDER BY ALL""",
    "unmapped_keys": "SELECT kind, raw_value, n_rows, example_path FROM ops.unmapped_keys ORDER BY ALL",
    "id_collisions": "SELECT * FROM ops.id_collisions ORDER BY ALL",
    "failed_checks": """
        SELECT check_name, blocking, n_failed, problem FROM ops.check_results WHERE n_failed > 0 ORDER BY ALL""",
}


def read_status(warehouse: Warehouse) -> dict[str, Any]:
    """Everything that status says. Reads the build file's books; the published ones while somebody is writing."""
    if not warehouse.build_path.exists():
        return {
            "warehouse": str(warehouse.home),
            "source": "nothing built yet",
            "pending": _pending_without_books(warehouse),
        }
    try:
        with warehouse.write(wait=False) as con:
            try:
                pending = build.plan(warehouse, con).reasons
            except build.LandingIncomplete as incomplete:
                pending = [str(incomplete)]
            return {**_books(con, warehouse, "build.duckdb"), "pending": pending}
    except WarehouseBusy as busy:
        try:
            with warehouse.read() as con:
                return {**_books(con, warehouse, "alems.duckdb, as published"), "pending": [str(busy)]}
        except NotPublished:
            return {"warehouse": str(warehouse.home), "source": "nothing published yet", "pending": [str(busy)]}


def _pending_without_books(warehouse: Warehouse) -> list[str]:
    from alems_pipeline import landing

    return [f"{len(landing.scan(warehouse.landing))} landing file(s), nothing built: run `alems materialize`"]


def _books(con: duckdb.DuckDBPyConnection, warehouse: Warehouse, source: str) -> dict[str, Any]:
    books: dict[str, Any] = {"warehouse": str(warehouse.home), "source": source}
    for name, query in QUERIES.items():
        cursor = con.execute(query)
        columns = [column[0] for column in cursor.description or []]
        books[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    [(books["checks"],)] = con.execute("SELECT count(*) FROM ops.check_results").fetchall()
    published = warehouse.last_publication()
    if published is not None:
        books["publication"] = {"published_at": published[0], "age": datetime.now(UTC) - published[0]}
    return books


def show_status(status: dict[str, Any], console: Console) -> None:
    """Print it for a person: a table per subject, subjects without rows in one line."""
    console.print(f"Warehouse {status['warehouse']} ({status['source']})", highlight=False, soft_wrap=True)
    publication = status.get("publication")
    said = "Never published" if publication is None else f"Published {str(publication['age']).split('.')[0]} ago"
    pending = ", ".join(status["pending"])
    stale = " (stale)" if pending and (publication is None or publication["age"] > STALE_AFTER) else ""
    console.print(f"{said}{stale}. Pending: {pending or 'nothing'}.", highlight=False, soft_wrap=True)
    if "checks" in status:
        files = status["quarantined_files"]
        n_of_no_day = sum(file["landing_date"] is None for file in files)
        of_no_day = f" ({n_of_no_day} of them belong to no day)" if n_of_no_day else ""
        console.print(
            f"{status['checks']} checks, {len(status['failed_checks'])} with findings; "
            f"{len(files)} file(s){of_no_day} and {sum(r['n_rows'] for r in status['quarantined_rows'])} "
            "row(s) quarantined.",
            highlight=False,
        )
    for name in QUERIES:
        rows = status.get(name)
        if not isinstance(rows, list) or not rows:
            continue
        table = Table(
            title=name.replace("_", " "), title_justify="left", box=HEAVY_HEAD if console.is_terminal else None
        )
        for column, value in rows[0].items():
            table.add_column(column, justify="right" if isinstance(value, int) else "left", overflow="fold")
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        console.print(table)
