"""Schema `tracked`: what stands in the stores of experiment tracking, the tables of all stores together.

Here, and nowhere else, is said which of the landed rows count. Schema mlflow and its like, the lineage and the exports
read it.

- A record of a store counts until a newer one of the same key has landed, or it was found to be gone from the store:
  by name (`stage.mlflow_removed`), or because all of the store was read anew and it was not there (`whole_since`).
  Runs and experiments are kept then, with `removed_at`.
- What a run or trace owns counts when it was read together with the record that counts of its owner.

The SQL of both stands in sql/tracked; what is told here is which table has which, and its key.
"""

from typing import Final

import duckdb

from alems_pipeline.sql_files import SQL_ROOT, sql_text
from collectors.contract_tracking import TABLES
from collectors.dataset import Dataset

SCHEMA: Final = "tracked"
TEMPLATES: Final = SQL_ROOT / "tracked"
KEPT: Final = ("runs", "experiments")
"""Tables whose rows are kept when they are gone from the store."""


def ensure_views(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views, each after that of its owner."""
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for table, dataset in TABLES.items():
        con.execute(f"CREATE OR REPLACE VIEW {SCHEMA}.{table} AS {_owned(dataset) or _records(table, dataset)}")
        con.execute(f"COMMENT ON VIEW {SCHEMA}.{table} IS {sql_text(meaning(dataset))}")


def meaning(dataset: Dataset) -> str:
    """What a row of the view of that dataset is."""
    return f"{dataset.doc} Of all stores, as they stand."


def _records(table: str, dataset: Dataset) -> str:
    _, *key = dataset.key  # the store stands beside the key of a removed row
    return _template(
        "records",
        dataset=dataset.name,
        table=sql_text(table),
        key=", ".join(dataset.key),
        key_texts=", ".join(f"coalesce({name}::VARCHAR, '')" for name in key),
        kept=table in KEPT,
    )


def _template(name: str, **values: object) -> str:
    return (TEMPLATES / f"{name}.sql").read_text().format(**values)


def _owned(dataset: Dataset) -> str | None:
    if dataset.owner is None:
        return None
    same = " AND ".join(f"owners.{name} = owned.{name}" for name in (*dataset.owner.key, "recorded_at"))
    owner = dataset.owner.name.removeprefix("mlflow_")
    return _template("owned", dataset=dataset.name, schema=SCHEMA, owner=owner, same=same)
