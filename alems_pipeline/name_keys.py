"""The rows of `main.name_keys`: the plain names that records of runs carry, each resolved once."""

from typing import Final

import duckdb
import polars as pl

from alems_pipeline.keys.names import resolve_name
from alems_pipeline.keys.registry import read_registry
from alems_pipeline.sql_files import registry

# Each gives kind, raw_value, seen_at and path. A further source of names is a further query.
NAME_SOURCES: Final = (
    """SELECT 'model' AS kind, model_name AS raw_value, recorded_at AS seen_at,
        'experiments/date=' || landing_date AS path
    FROM stage.experiments""",
    """SELECT 'hardware', gpu_model, recorded_at, 'hardware_config/date=' || landing_date
    FROM stage.hardware_config""",
    """SELECT 'framework', llm_framework, recorded_at, 'environment_config/date=' || landing_date
    FROM stage.environment_config""",
    """SELECT 'hardware', json_extract_string(raw, '$.hardware'), created_at, artifact_path
    FROM inference.artifacts
    WHERE kind = 'run_stats'""",
    *(
        f"""SELECT naming.kind, named.value, named.recorded_at, 'mlflow_{table}/date=' || named.landing_date
    FROM tracked.{table} AS named
    JOIN read_csv({registry("tracking_names")}) AS naming ON naming.name = named.key
    WHERE named.value <> ''"""
        for table in ("tags", "params")
    ),
)


def name_keys(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per kind and name, with what it resolves to, how often it occurs, when and where."""
    names: pl.DataFrame = con.sql(
        "SELECT kind, raw_value, count(*) AS n_rows, min(seen_at) AS first_seen, max(seen_at) AS last_seen, "
        f"min(path) AS example_path FROM ({' UNION ALL '.join(NAME_SOURCES)}) AS names "
        "WHERE raw_value IS NOT NULL GROUP BY kind, raw_value ORDER BY kind, raw_value"
    ).pl()
    known = read_registry()
    found = [resolve_name(kind, raw, known) for kind, raw in names.select("kind", "raw_value").iter_rows()]
    return names.with_columns(
        pl.Series("key", [one.key for one in found], pl.String),
        pl.Series("rule", [one.rule for one in found], pl.String),
    )
