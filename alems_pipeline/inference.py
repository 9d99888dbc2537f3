"""The rows of `inference.mapped_rows` and `inference.mapped_evals`: artifacts of benchmarks mapped, kept day by day."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Final, TypeVar

import duckdb
import polars as pl

from alems_pipeline.benchmarks.bulk import map_benchmark_rows
from alems_pipeline.benchmarks.flat_tables import json_object
from alems_pipeline.benchmarks.mapping import Mapped, SkipTracker, map_agg_eval_row, map_eval_row
from alems_pipeline.insert import insert
from alems_pipeline.keys.registry import Registry, read_registry
from alems_pipeline.keys.resolve import (
    Resolution,
    resolve_framework,
    resolve_hardware,
    resolve_model,
    resolve_precision,
)
from alems_pipeline.keys.values import text_of
from alems_pipeline.sql_files import SqlFile
from collectors.ids import stable_id

PORTION_ROWS: Final = 32_768  # mapped at once: some 50 MB of JSON, and ten times that meanwhile
NO_REQUEST: Final = "no request succeeded"
ORIGIN: Final = (
    "landing_date, run_name, run_attempt, coalesce(document_path, artifact_path) AS document_path, artifact_path, "
    "row_index, recorded_at, created_at, options_json, raw"
)
PLACE: Final = (
    *("landing_date", "workflow_run_id", "document_path", "artifact_path", "row_index"),
    *("recorded_at", "created_at"),
)
# What a changed document had before does not count.
NOT_REPLACED: Final = """NOT EXISTS (
    FROM inference.replaced_documents AS newer
    WHERE newer.run_name = artifacts.run_name
    AND newer.run_attempt = artifacts.run_attempt
    AND newer.document_path = coalesce(artifacts.document_path, artifacts.artifact_path)
    AND newer.recorded_at > artifacts.recorded_at
)"""

_T = TypeVar("_T")
MapRows = Callable[[pl.DataFrame, Registry], tuple[pl.DataFrame, SkipTracker]]


class NotStored(RuntimeError):
    """Rows that were mapped and that the database refused; `tracker` counts them as db_error."""

    def __init__(self, table: str, rows: pl.DataFrame, error: duckdb.Error, tracker: SkipTracker) -> None:
        days = sorted(str(day) for day in rows["landing_date"].unique())
        super().__init__(
            f"{table}: {rows.height} mapped rows landed from {days[0]} to {days[-1]} were not stored ({error}); "
            "the build is as it was before"
        )
        self.tracker = tracker


def skipped(con: duckdb.DuckDBPyConnection) -> SkipTracker:
    """What of all that landed was skipped, with the raw values: the counts of inference.skips.

    Of `db_error` there are none: a build in which the database refuses a row ends with NotStored.
    """
    tracker = SkipTracker()
    raw_values = {
        "unmapped_model": tracker.unmapped_models,
        "unmapped_hw": tracker.unmapped_hws,
        "bad_zip": tracker.errors,
    }
    for reason, raw_value, n in con.execute("SELECT reason, raw_value, n FROM inference.skips").fetchall():
        if hasattr(tracker, reason):
            setattr(tracker, reason, getattr(tracker, reason) + n)
        if reason in raw_values:
            raw_values[reason][raw_value] += n
    return tracker


# ---- mapped artifacts, kept day by day -------------------------------------------------------------------------------


def fill_mapped_rows(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """Map the benchmark rows of days that have changed, and tell which of several rows of one point counts."""
    if _map_stale_days(con, file, ("benchmark",), _benchmark_rows):
        con.execute(_UNKNOWN_METRICS_OF_NO_DAY)
        con.execute(_MARK_CURRENT)


def fill_mapped_evals(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """Map the evaluations of days that have changed."""
    _map_stale_days(con, file, ("eval", "eval_aggregate"), _evals)


def _map_stale_days(con: duckdb.DuckDBPyConnection, file: SqlFile, kinds: tuple[str, ...], map_rows: MapRows) -> bool:
    """Replace the days whose rows, or the code and registries that map them, have changed; whether there were any."""
    table, wanted = file.qualified_name, ", ".join(f"'{kind}'" for kind in kinds)
    con.execute(_STALE_DAYS.format(table=table, kinds=wanted, not_replaced=NOT_REPLACED), [table, file.code_version])
    [(n_stale,)] = con.execute("SELECT count(*) FROM stale_mapped_days").fetchall()
    if n_stale:
        registry = read_registry()
        con.execute(f"DELETE FROM {table} WHERE landing_date IN (SELECT landing_date FROM stale_mapped_days)")
        if table.endswith("rows"):
            con.execute(
                "DELETE FROM ops.unknown_metrics WHERE landing_date IN (SELECT landing_date FROM stale_mapped_days)"
            )
        for mapped, tracker in _mapped_ahead(_portions(con, wanted), lambda rows: map_rows(rows, registry)):
            try:
                insert(con, table, mapped)
            except duckdb.Error as error:
                tracker.db_error += mapped.height
                tracker.errors[str(error)] += mapped.height
                raise NotStored(table, mapped, error, tracker) from error
            _note_unknown_metrics(con, mapped, tracker)
        con.execute(
            "DELETE FROM ops.mapped_days WHERE table_name = ? "
            "AND landing_date IN (SELECT landing_date FROM stale_mapped_days)",
            [table],
        )
        con.execute(
            "INSERT INTO ops.mapped_days SELECT ?, landing_date, fingerprint, ? FROM stale_mapped_days "
            "WHERE fingerprint IS NOT NULL",
            [table, file.code_version],
        )
    con.execute("DROP TABLE stale_mapped_days")
    return bool(n_stale)


# A day is done where its rows are those that were mapped, by this code, and still stand in the table.
_STALE_DAYS: Final = """
    CREATE OR REPLACE TEMP TABLE stale_mapped_days AS
    WITH landed AS (
        SELECT
            landing_date,
            bit_xor(hash(
                kind, run_name, run_attempt, document_path, artifact_path, row_index, recorded_at, created_at,
                options_json, raw_sha256
            )) AS fingerprint
        FROM stage.inference_artifacts AS artifacts
        WHERE kind IN ({kinds}) AND {not_replaced}
        GROUP BY landing_date
    ),
    kept AS (
        SELECT DISTINCT landing_date
        FROM {table}
    ),
    done AS (
        SELECT books.landing_date, books.fingerprint
        FROM ops.mapped_days AS books
        JOIN kept ON kept.landing_date = books.landing_date
        WHERE books.table_name = ? AND books.code_version = ?
    )
    SELECT coalesce(landed.landing_date, kept.landing_date) AS landing_date, landed.fingerprint
    FROM landed
    FULL JOIN kept ON kept.landing_date = landed.landing_date
    LEFT JOIN done ON done.landing_date = coalesce(landed.landing_date, kept.landing_date)
    WHERE landed.fingerprint IS NULL OR done.fingerprint IS DISTINCT FROM landed.fingerprint
"""


def _portions(con: duckdb.DuckDBPyConnection, kinds: str) -> Iterator[pl.DataFrame]:
    """The staged rows of the stale days, so many at a time that memory stays bounded."""
    stale = f"kind IN ({kinds}) AND landing_date IN (SELECT landing_date FROM stale_mapped_days)"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE mapped_portions AS SELECT rowid // ? AS portion "
        f"FROM stage.inference_artifacts WHERE {stale} GROUP BY portion ORDER BY portion",
        [PORTION_ROWS],
    )
    for (portion,) in con.execute("SELECT portion FROM mapped_portions").fetchall():
        first = portion * PORTION_ROWS
        rows: pl.DataFrame = con.sql(
            f"SELECT {ORIGIN} FROM stage.inference_artifacts AS artifacts WHERE rowid >= {first} "
            f"AND rowid < {first + PORTION_ROWS} AND {stale} AND {NOT_REPLACED} "
            "ORDER BY landing_date, document_path, artifact_path, row_index"
        ).pl()
        yield rows
    con.execute("DROP TABLE mapped_portions")


def _mapped_ahead(portions: Iterator[pl.DataFrame], map_rows: Callable[[pl.DataFrame], _T]) -> Iterator[_T]:
    """The portions mapped, each while the caller stores the one before: reading and storing keep one core busy."""
    with ThreadPoolExecutor(1) as pool:
        pending: Future[_T] | None = None
        for rows in portions:
            ahead = pool.submit(map_rows, rows)
            if pending is not None:
                yield pending.result()
            pending = ahead
        if pending is not None:
            yield pending.result()


def _benchmark_rows(rows: pl.DataFrame, registry: Registry) -> tuple[pl.DataFrame, SkipTracker]:
    tracker = SkipTracker()
    named = rows.rename({"artifact_path": "name", "options_json": "options"})
    mapped = map_benchmark_rows(named.select("raw", "name", "options"), tracker, registry)
    config = list(registry.config_columns)
    is_kept = pl.col("reason").is_null()
    whole = pl.concat([_placed(rows).select(PLACE), mapped], how="horizontal").with_columns(
        _ids_of(mapped, config, is_kept).alias("config_id"),
        pl.when(is_kept & (pl.col("n_successful") == 0)).then(pl.lit(NO_REQUEST)).alias("error"),
        pl.lit(True).alias("is_current"),
    )
    return whole, tracker


def _evals(rows: pl.DataFrame, registry: Registry) -> tuple[pl.DataFrame, SkipTracker]:
    """Evaluations are few: one at a time, by the scalar functions."""
    found: list[dict[str, object]] = []
    for *values, raw in _placed(rows).select(*PLACE, "raw").iter_rows():
        place = dict(zip(PLACE, values, strict=True))
        content = json_object(raw)
        if content is None:
            found.append(place | {"reason": "bad_json"})
            continue
        tracker = SkipTracker()
        meta, tasks = _eval(content, tracker, registry)
        resolved = _resolutions(meta, registry)
        found += [place | resolved | _eval_row(task, registry) for task in tasks]
        if not tasks:
            skipped = [name for name in ("unmapped_model", "unmapped_hw", "out_of_range") if getattr(tracker, name)]
            found.append(place | resolved | {"reason": (skipped or ["no_task"])[0]})
    text = (
        "document_path",
        "artifact_path",
        "reason",
        "task",
        "lm_eval_version",
        "metrics",
        *_RESOLVED,
    )
    config = {name: _config_type(name) for name in registry.config_columns}
    schema = {name: rows.schema[name] for name in PLACE if name != "workflow_run_id"} | {
        "workflow_run_id": pl.Int64(),
        "config_id": pl.Int64(),
        **config,
        **dict.fromkeys(("isl", "osl", "conc"), pl.Int64()),
        **dict.fromkeys(text, pl.String()),
    }
    return pl.DataFrame(found, schema=schema), SkipTracker()


def _eval(
    content: dict[str, object], tracker: SkipTracker, registry: Registry
) -> tuple[dict[str, object], list[Mapped]]:
    """What an evaluation says of its config, and its tasks."""
    meta, results = content.get("meta"), content.get("results")
    if isinstance(meta, dict) and isinstance(results, dict):
        return meta, map_eval_row(meta, results, tracker, registry=registry)
    aggregate = map_agg_eval_row(content, tracker, registry=registry)
    return content, [] if aggregate is None else [aggregate]


def _eval_row(mapped: Mapped, registry: Registry) -> dict[str, object]:
    config = mapped["config"]
    assert isinstance(config, dict)
    values = [config[name] for name in registry.config_columns]
    metrics = json.dumps(mapped["metrics"], sort_keys=True, separators=(",", ":"))
    rest = {name: value for name, value in mapped.items() if name not in ("config", "metrics")}
    return {"config_id": stable_id(*values), "metrics": metrics, **config, **rest}


_RESOLVED: Final = tuple(
    f"{kind}_{part}" for kind in ("model", "hardware", "framework", "precision") for part in ("raw", "rule")
)


def _resolutions(row: dict[str, object], registry: Registry) -> dict[str, str | None]:
    """What each name resolves to and by which rule, also of an evaluation that is skipped for another name."""
    found: dict[str, Resolution] = {
        "model": resolve_model(row, registry),
        "hardware": resolve_hardware(text_of(row.get("hw")), registry),
        "framework": resolve_framework(text_of(row.get("framework")), registry),
        "precision": resolve_precision(text_of(row.get("precision")), registry),
    }
    return {
        f"{kind}_{part}": value
        for kind, one in found.items()
        for part, value in (("raw", one.raw_value), ("rule", one.rule))
    } | {kind: one.key for kind, one in found.items()}


def _config_type(name: str) -> pl.DataType:
    if name in ("hardware", "framework", "model", "precision", "spec_method"):
        return pl.String()
    is_flag = name in ("disagg", "is_multinode") or name.endswith("_dp_attention")
    return pl.Boolean() if is_flag else pl.Int64()


def _placed(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the id of their workflow run."""
    runs = rows.select("run_name", "run_attempt").unique()
    ids = [stable_id(name, attempt) for name, attempt in runs.iter_rows()]
    known = runs.with_columns(pl.Series("workflow_run_id", ids, pl.Int64))
    return rows.join(known, on=["run_name", "run_attempt"], how="left", maintain_order="left")


def _ids_of(mapped: pl.DataFrame, columns: list[str], is_kept: pl.Expr) -> pl.Series:
    """The stable id of each row's config; null of rows that have none."""
    configs = mapped.filter(is_kept).select(columns).unique()
    ids = [stable_id(*config) for config in configs.iter_rows()]
    known = configs.with_columns(pl.Series("config_id", ids, pl.Int64))
    found = mapped.join(known, on=columns, how="left", maintain_order="left", nulls_equal=True)
    return found.select(pl.when(is_kept).then("config_id")).to_series()


def _note_unknown_metrics(con: duckdb.DuckDBPyConnection, mapped: pl.DataFrame, tracker: SkipTracker) -> None:
    """Count the metrics that the registry lacks, by day: the mapping only says which ones there are."""
    unknown: Counter[str] = tracker.unknown_metrics
    for name in unknown:
        holds = pl.col("metrics").str.contains(f"{json.dumps(name)}:", literal=True)
        days = mapped.filter(holds).group_by("landing_date").len()
        counted: list[tuple[date, int]] = days.rows()
        con.executemany(
            "INSERT INTO ops.unknown_metrics VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET n_rows = unknown_metrics.n_rows + excluded.n_rows",
            [[day, name, n] for day, n in counted],
        )


_UNKNOWN_METRICS_OF_NO_DAY: Final = """
    DELETE FROM ops.unknown_metrics
    WHERE landing_date NOT IN (SELECT landing_date FROM ops.mapped_days WHERE table_name = 'inference.mapped_rows')
"""

# Of several rows of one point of a run the last one collected counts, in a file the last one; but never one whose
# figures do not count before one whose figures do.
_MARK_CURRENT: Final = """
    CREATE OR REPLACE TEMP TABLE point_rows AS
    WITH repeated AS (
        SELECT workflow_run_id, config_id, isl, osl, conc
        FROM inference.mapped_rows
        WHERE reason IS NULL
        GROUP BY ALL
        HAVING count(*) > 1
    )
    SELECT
        mapped.rowid AS row_id,
        row_number() OVER (
            PARTITION BY mapped.workflow_run_id, mapped.config_id, mapped.isl, mapped.osl, mapped.conc
            ORDER BY
                error IS NOT NULL,
                recorded_at DESC,
                document_path DESC,
                artifact_path DESC,
                row_index DESC,
                landing_date DESC
        ) = 1 AS is_current
    FROM inference.mapped_rows AS mapped
    SEMI JOIN repeated
        ON repeated.workflow_run_id = mapped.workflow_run_id
        AND repeated.config_id = mapped.config_id
        AND repeated.isl = mapped.isl
        AND repeated.osl = mapped.osl
        AND repeated.conc = mapped.conc
    WHERE reason IS NULL;

    UPDATE inference.mapped_rows
    SET is_current = true
    WHERE NOT is_current AND rowid NOT IN (SELECT row_id FROM point_rows WHERE NOT is_current);

    UPDATE inference.mapped_rows
    SET is_current = false
    WHERE is_current AND rowid IN (SELECT row_id FROM point_rows WHERE NOT is_current);

    DROP TABLE point_rows;
"""
