"""Schema `tracked`: what stands in the stores of experiment tracking, the tables of all stores together.

Here, and nowhere else, is said which of the landed rows count. Schema mlflow and its like, the lineage and the exports
read it.

- A record of a store counts until a newer one of the same key has landed, or it was found to be gone from the store:
  by name (`stage.mlflow_removed`), or because all of the store was read anew and it was not there (`whole_since`).
  Runs and experiments are kept then, with `removed_at`.
- What a run or trace owns counts when it was read together with the record that counts of its owner.
"""

from typing import Final

import duckdb

from alems_pipeline.sql_files import sql_text
from collectors.contract_tracking import TABLES
from collectors.dataset import Dataset

SCHEMA: Final = "tracked"
KEPT: Final = ("runs", "experiments")
"""Tables whose rows are kept when they are gone from the store."""

_RECORDS: Final = """
WITH newest AS (
    SELECT *, concat_ws(chr(31), {key_texts}) AS row_key
    FROM stage.{dataset}
    QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY recorded_at DESC, landing_date DESC) = 1
),
removed AS (
    SELECT store, row_key, max(recorded_at) AS removed_at
    FROM stage.mlflow_removed
    WHERE table_name = {table}
    GROUP BY store, row_key
),
read_whole AS (
    SELECT store, max(whole_since) AS whole_since
    FROM stage.mlflow_imports
    GROUP BY store
),
dated AS (
    SELECT
        newest.*,
        CASE
            WHEN removed.removed_at > newest.recorded_at THEN removed.removed_at
            WHEN read_whole.whole_since > newest.recorded_at THEN read_whole.whole_since
        END AS removed_at
    FROM newest
    LEFT JOIN removed ON removed.store = newest.store AND removed.row_key = newest.row_key
    LEFT JOIN read_whole ON read_whole.store = newest.store
)
SELECT * EXCLUDE (row_key)
FROM dated
"""
_OWNED: Final = """
SELECT owned.*
FROM stage.{dataset} AS owned
SEMI JOIN {schema}.{owner} AS owners ON {same}
"""


def ensure_views(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views, each after that of its owner."""
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for table, dataset in TABLES.items():
        con.execute(f"CREATE OR REPLACE VIEW {SCHEMA}.{table} AS {_owned(dataset) or _records(table, dataset)}")
        con.execute(f"COMMENT ON VIEW {SCHEMA}.{table} IS {sql_text(f'{dataset.doc} Of all stores, as they stand.')}")


def _records(table: str, dataset: Dataset) -> str:
    _, *key = dataset.key  # the store stands beside the key of a removed row
    key_texts = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in key)
    text = _RECORDS.format(dataset=dataset.name, table=sql_text(table), key=", ".join(dataset.key), key_texts=key_texts)
    return text if table in KEPT else f"{text}WHERE removed_at IS NULL"


def _owned(dataset: Dataset) -> str | None:
    if dataset.owner is None:
        return None
    same = " AND ".join(f"owners.{name} = owned.{name}" for name in (*dataset.owner.key, "recorded_at"))
    owner = dataset.owner.name.removeprefix("mlflow_")
    return _OWNED.format(dataset=dataset.name, schema=SCHEMA, owner=owner, same=same)
