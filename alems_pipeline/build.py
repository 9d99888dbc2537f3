"""What there is to build, and building it: landed days into the lake, tables from the lake, checks, publication.

Assets and the `alems` command call these functions; nothing here knows of Dagster.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import duckdb

from alems_pipeline import computed, lake, landing, sql_files, stage, store_schemas, tracked
from alems_pipeline.condition_tables import CONDITIONS
from alems_pipeline.ids import STABLE_ID_MACROS
from alems_pipeline.lake_files import write_empty_files
from alems_pipeline.sql_files import SQL_ROOT, SqlFile
from alems_pipeline.tracking_tables import TRACKING
from alems_pipeline.warehouse import Publication, Warehouse

_PACKAGE: Final = Path(__file__).resolve().parent
_COLLECTORS: Final = _PACKAGE.parent / "collectors"

_DAY_MODULES: Final = (
    "ids", "insert", "landing", "rules", "usage_rules", "condition_rules", "tracking_rules", "inference_rules", "stage",
    "samples", "energy_samples", "unwrap", "lake_files", "lake", "subjects",
)  # fmt: skip

DAY_CODE: Final = sql_files.code_hash(
    *sorted(_COLLECTORS.glob("contract*.py")),
    _COLLECTORS / "dataset.py",
    _COLLECTORS / "ids.py",
    *(_PACKAGE / f"{name}.py" for name in _DAY_MODULES),
    SQL_ROOT / "day",
)
"""Version of the code that turns a landed day into the lake; a day built by another version is built again."""

_TABLE_MODULES: Final = (
    "baseline_model", "build", "sql_files", "computed", "insert", "condition_tables", "sample_tables", "store_schemas",
    "tax_statistics", "tracked", "tracking_tables", "inference", "inference_curves", "name_keys",
)  # fmt: skip

TABLE_CODE: Final = sql_files.code_hash(
    *(SQL_ROOT / layer for layer in ("ddl", "registry", "tracked", "core", "marts", "computed", "views", "checks")),
    *(_PACKAGE / f"{name}.py" for name in _TABLE_MODULES),
    *sorted((_PACKAGE / "keys").glob("*.py")),
    *sorted((_PACKAGE / "benchmarks").glob("*.py")),
)
"""Version of the code that makes the tables; a publication made by another version is made again."""

CORE_CODE: Final = sql_files.code_hash(*(SQL_ROOT / layer for layer in ("ddl", "registry", "tracked", "core")))
"""Version of the SQL that tables which are kept from run to run are made by."""

PREPARED_BY: Final = sql_files.digest(
    DAY_CODE, sql_files.code_hash(SQL_ROOT / "ddl", _PACKAGE / "build.py", _PACKAGE / "sql_files.py")
)
"""Version of the code that makes what exists in every warehouse."""

_PREPARED: Final = "ops"  # under this name the books say by which code

STORE_KINDS: Final = {kind.schema: kind for kind in (CONDITIONS, TRACKING)}

TABLE_LAYERS: Final = ("core", "marts", "computed", "views")


@dataclass(frozen=True)
class Plan:
    """What has to run so that the published file says all that landed."""

    days: list[date]
    tables: bool
    reasons: list[str] = field(default_factory=list)
    fingerprint: str = ""  # equal while the same work is pending

    @property
    def nothing(self) -> bool:
        return not self.days and not self.tables

    @property
    def ranges(self) -> list[tuple[date, date]]:
        """The days as contiguous ranges, first and last day included."""
        return landing.ranges(self.days)


class LandingIncomplete(RuntimeError):
    """A day is to be built again, and landing files that it was built from are gone."""


@dataclass(frozen=True)
class CheckResult:
    """Findings of one check: none means passed."""

    check: SqlFile
    findings: list[tuple[str, str, int]]  # table, problem, rows

    @property
    def blocking(self) -> bool:
        return self.check.severity == "error"

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def summary(self) -> str:
        return "; ".join(f"{table}: {problem} ({n})" for table, problem, n in self.findings[:5])


def plan(
    warehouse: Warehouse, con: duckdb.DuckDBPyConnection, first: date | None = None, last: date | None = None
) -> Plan:
    """Compare landing with the build file's books; landed days from `first` to `last` are built again in any case."""
    prepare(con)
    files = landing.scan(warehouse.landing)
    pending = landing.pending(con, files)
    unplaced = [file for file in pending if file.landing_date is None]
    stale = {
        row[0]
        for row in con.execute("SELECT landing_date FROM ops.day_builds WHERE code_hash <> ?", [DAY_CODE]).fetchall()
    }
    pending_days = set(landing.days_to_build(con, files, pending))
    asked = {
        file.landing_date
        for file in files
        if file.landing_date is not None
        and (first or last) is not None
        and (first or date.min) <= file.landing_date <= (last or date.max)
    }
    days = sorted(pending_days | stale | asked)
    _refuse_if_files_are_gone(con, warehouse, files, days)
    [(built_at,)] = con.execute("SELECT max(built_at) FROM ops.day_builds").fetchall()
    reasons = []
    if pending_days:
        reasons.append(f"{len(pending) - len(unplaced)} new landing file(s) on {len(pending_days)} day(s)")
    if stale - pending_days:
        reasons.append(f"{len(stale - pending_days)} day(s) built by older code")
    if asked - pending_days - stale:
        reasons.append(f"{len(asked - pending_days - stale)} day(s) asked for")
    if unplaced:
        reasons.append(f"{len(unplaced)} landing file(s) that belong to no day")
    if not warehouse.published_path.exists():
        reasons.append("nothing published yet")
    elif not days and not unplaced:  # else the tables are made anyway, and opening the published file takes a while
        reasons += _why_published_is_old(warehouse, built_at)
    fingerprint = sql_files.digest(
        DAY_CODE, TABLE_CODE, str(built_at), *(str(day) for day in days), *(file.path for file in pending)
    )
    return Plan(days=days, tables=bool(days or reasons), reasons=reasons, fingerprint=fingerprint)


def _why_published_is_old(warehouse: Warehouse, built_at: datetime | None) -> list[str]:
    published = warehouse.last_publication()
    if published is None:
        return ["nothing published yet"]
    if published[1] != TABLE_CODE:
        return ["SQL changed since the last publication"]
    if built_at is not None and built_at > published[0]:
        return ["days built since the last publication"]
    return []


def _refuse_if_files_are_gone(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse, files: Sequence[landing.LandingFile], days: Sequence[date]
) -> None:
    """A day is made from all its landing files: built without some of them it would silently lose their rows."""
    present = {file.path for file in files}
    known = con.execute(
        "SELECT path FROM ops.landing_files WHERE status = 'accepted' AND list_contains(?, landing_date) ORDER BY path",
        [list(days)],
    ).fetchall()
    gone = [path for (path,) in known if path not in present]
    if gone:
        raise LandingIncomplete(
            f"{warehouse.landing / gone[0]}: gone, with {len(gone) - 1} more file(s) of days to be built again; "
            "bring them back, or run `alems reset` to build from what is left"
        )


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Make what exists in every warehouse, if this code has not made it yet: schemas, books, id macros, and the tables
    that days are built into.

    Where other code built a day, or none is built, it is made in any case: code that keeps no such note may have been
    here.
    """
    [kept_tables] = [table for table in sql_files.layer_files("ddl") if table.qualified_name == "ops.kept_tables"]
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {kept_tables.schema}")
    con.execute(kept_tables.text)
    if sql_files.made_from(con, _PREPARED) == PREPARED_BY:
        [(is_of_this_code,)] = con.execute(
            "SELECT coalesce(bool_and(code_hash = ?), false) FROM ops.day_builds", [DAY_CODE]
        ).fetchall()
        if is_of_this_code:
            return
    sql_files.run_ddl(con)
    con.execute(STABLE_ID_MACROS)
    stage.ensure_tables(con)
    for file in sql_files.layer_files("day"):
        sql_files.run_declaration(con, file)
    sql_files.note_made_from(con, _PREPARED, PREPARED_BY)


def build_day(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse, day: date, on_rows: lake.Progress | None = None
) -> None:
    """Make one day anew from all its landing files: stage rows, lake files, run energies."""
    prepare(con)
    _drop_tables_of_older_code(con)
    lake.build_day(con, warehouse, day, landing.scan_day(warehouse.landing, day), on_rows)
    con.execute(f"SET VARIABLE day = DATE '{day.isoformat()}'")
    for file in sql_files.layer_files("day"):
        sql_files.run(con, file)
    con.execute("DELETE FROM ops.day_builds WHERE landing_date = ?", [day])
    con.execute("INSERT INTO ops.day_builds VALUES (?, ?, ?)", [day, DAY_CODE, datetime.now(UTC)])


def build_days(
    warehouse: Warehouse,
    days: Sequence[date],
    on_day: Callable[[date], None] = lambda day: None,
    on_rows: lake.Progress | None = None,
) -> dict[date, dict[str, int]]:
    """Build days one transaction each, so that a stop loses at most one; returns stored rows per day and dataset."""
    rows: dict[date, dict[str, int]] = {}
    for day in days:
        with warehouse.write() as con:
            build_day(con, warehouse, day, on_rows)
            rows[day] = dict(
                con.execute("SELECT dataset, n_stored FROM ops.landing_days WHERE landing_date = ?", [day]).fetchall()
            )
        on_day(day)
    return rows


def build_tables(con: duckdb.DuckDBPyConnection, warehouse: Warehouse, files: Iterable[SqlFile]) -> None:
    """Make tables and views whole, in the order given, with their comments."""
    files = list(files)
    prepare(con)
    if any(name.startswith(f"{tracked.SCHEMA}.") for file in files for name in file.depends):
        tracked.ensure_views(con)
    write_empty_files(warehouse.lake)  # a view of samples lists them
    if any(file.layer == TABLE_LAYERS[0] for file in files):
        landed = landing.scan(warehouse.landing)  # for the books that the checks of the first layer read
        landing.register_unplaced(con, landed)
        landing.forget_removed(con, landed)
    _drop_of_other_kind(con, files)
    for file in files:
        if file.schema in STORE_KINDS:
            store_schemas.build(con, STORE_KINDS[file.schema], file, DAY_CODE + TABLE_CODE)
            continue
        if file.is_kept:
            _drop_if_of_other_code(con, file)
        sql_files.run(con, file, lambda dataset: lake.published_paths(con, warehouse, dataset))
        computed.fill(con, file)
        sql_files.comment(con, [file])


def write_contracts(con: duckdb.DuckDBPyConnection) -> None:
    """Note which columns every table and view must have, for the check that compares."""
    columns: list[tuple[str, str, str | None]] = [
        (file.qualified_name, column, None)
        for layer in ("day", *TABLE_LAYERS)
        for file in sql_files.layer_files(layer)
        if file.kind in ("table", "view") and not _has_given_columns(file)
        for column in file.column_docs
    ]
    columns += [(f"stage.{table}", column, type_) for table, column, type_ in stage.contract_columns()]
    con.execute("DELETE FROM ops.contract_columns")
    # One statement: thousands of single inserts would take longer than every check.
    con.execute(
        "INSERT INTO ops.contract_columns SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
        [list(values) for values in zip(*columns, strict=True)],
    )


def _has_given_columns(file: SqlFile) -> bool:
    """Whether the columns of a table or view depend on what has landed."""
    kind = STORE_KINDS.get(file.schema)
    return kind is not None and file.name in kind.wide


def run_checks(con: duckdb.DuckDBPyConnection, checks: Iterable[SqlFile]) -> list[CheckResult]:
    """Run checks over whole tables and record what they found."""
    write_contracts(con)
    results = []
    for check in checks:
        findings = [
            (str(t), str(p), int(n))
            for of_conditions in store_schemas.in_every_schema(con, check, CONDITIONS)
            for one in store_schemas.in_every_schema(con, of_conditions, TRACKING)
            for t, p, n in con.execute(one.text).fetchall()
        ]
        result = CheckResult(check, findings)
        con.execute(
            "INSERT OR REPLACE INTO ops.check_results BY NAME SELECT ? AS check_name, ? AS blocking, ? AS n_failed, "
            "? AS problem, ?::TIMESTAMPTZ AS checked_at",
            [check.name, result.blocking, len(findings), result.summary or None, datetime.now(UTC)],
        )
        results.append(result)
    return results


def check_layer(check: SqlFile) -> str:
    """The last layer that a check reads: it runs when that layer is built. One that only reads the books comes last."""
    layer_of = {file.qualified_name: layer for layer in TABLE_LAYERS for file in sql_files.layer_files(layer)}
    read = [sql_files.qualified(name) for name in check.depends]
    layers = {layer_of.get(name, TABLE_LAYERS[0]) for name in read if not name.startswith("ops.")}
    return max(layers, key=TABLE_LAYERS.index, default=TABLE_LAYERS[-1])


def publish(warehouse: Warehouse) -> Publication:
    """Set the comments that the files of earlier layers carry, then publish the build file."""
    with warehouse.write() as con:
        kept = [*sql_files.layer_files("ddl"), *sql_files.layer_files("day")]
        docs = {file.qualified_name: (file.description, file.column_docs) for file in kept}
        sql_files.comment_kept(con, {**docs, **stage.docs()})
        names = [check.name for check in sql_files.layer_files("checks")]
        con.execute("DELETE FROM ops.check_results WHERE NOT list_contains(?, check_name)", [names])
        lake.collect_garbage(con, warehouse)
    return warehouse.publish(TABLE_CODE)


def _drop_of_other_kind(con: duckdb.DuckDBPyConnection, files: Iterable[SqlFile]) -> None:
    """Where older code made a table of what is a view now, or the reverse: neither can be replaced by the other."""
    made = dict(
        con.execute(
            "SELECT schema_name || '.' || table_name, 'table' FROM duckdb_tables() "
            "UNION ALL SELECT schema_name || '.' || view_name, 'view' FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    )
    for file in files:
        kind = made.get(file.qualified_name, file.kind)
        if kind != file.kind:
            con.execute(f"DROP {kind} {file.qualified_name}")


def _drop_if_of_other_code(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """A table that is kept from run to run is made anew when the SQL of what it is made from has changed."""
    if sql_files.made_from(con, file.qualified_name) != CORE_CODE:
        con.execute(f"DROP TABLE IF EXISTS {file.qualified_name}")
        sql_files.note_made_from(con, file.qualified_name, CORE_CODE)


def _drop_tables_of_older_code(con: duckdb.DuckDBPyConnection) -> None:
    """Day tables may have other columns than today's code gives them; all days are to be built again anyway."""
    [(current,)] = con.execute("SELECT count(*) FROM ops.day_builds WHERE code_hash = ?", [DAY_CODE]).fetchall()
    if current == 0:
        for file in sql_files.layer_files("day"):
            con.execute(f"DROP TABLE IF EXISTS {file.qualified_name}")
