"""The dataset store in the warehouse: wine as scikit-learn has it, any other table, and metrics as scikit-learn's."""

import math
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from alems_pipeline import build, sql_files
from alems_pipeline.warehouse import Warehouse
from collectors.sources.tabular import drop_dataset, drop_predictions
from tests.warehouses import build_landed_days

# As UCI, and the description of the store, write them.
WINE_FEATURES = [
    "Alcohol", "Malicacid", "Ash", "Alcalinity_of_ash", "Magnesium", "Total_phenols", "Flavanoids",
    "Nonflavanoid_phenols", "Proanthocyanins", "Color_intensity", "Hue", "0D280_0D315_of_diluted_wines", "Proline",
]  # fmt: skip
FILES = [
    file for layer in ("core", "computed", "views", "checks") for file in sql_files.layer_files(layer)
    if file.schema == "ml" or file.name == "ml_store"
]  # fmt: skip
RANDOM = np.random.default_rng(7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ml")


@pytest.fixture(scope="module")
def wine_classes(folder: Path) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Predictions, wrong in about a third of the samples; class 3 is none of wine's."""
    target = load_wine().target
    wrong = RANDOM.random(len(target)) < 0.3
    return np.where(wrong, RANDOM.integers(0, 4, len(target)), target)


@pytest.fixture(scope="module")
def con(
    folder: Path, wine_classes: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> Iterator[duckdb.DuckDBPyConnection]:
    landing = folder / "landing"
    wine = load_wine()
    columns = dict(zip(WINE_FEATURES, wine.data.T, strict=True))
    pyarrow.csv.write_csv(pa.table(columns | {"class": wine.target}), folder / "wine.csv")
    drop_dataset("wine", folder / "wine.csv", landing, targets=["class"])
    pq.write_table(pa.table(dict(zip(wine.feature_names, wine.data.T, strict=True))), folder / "sk.parquet")
    drop_dataset("wine-sk", folder / "sk.parquet", landing)
    pyarrow.csv.write_csv(pa.table({"prediction": wine_classes}), folder / "predicted.csv")
    drop_predictions("wine", folder / "predicted.csv", landing, run_uuid="run-1", model="forest", version=2)
    (folder / "odd.csv").write_text('id,"a ""b"" \'c\'",när,kind,y\n5,1,2026-01-02,rot,1.5\n7,,,blau,2.5\n')
    drop_dataset("Odd.1", folder / "odd.csv", landing, targets=["kind", "y"], index="id")
    (folder / "odd2.csv").write_text("NÄR,size\n2026-01-03,0.5\n")
    drop_dataset("odd.1", folder / "odd2.csv", landing)
    (folder / "p.csv").write_text("sample_index,kind,y\n5,rot,1.0\n7,grün,2.5\n")
    drop_predictions("Odd.1", folder / "p.csv", landing, run_uuid="run-2", columns=["kind", "y"])
    warehouse = Warehouse(folder)
    build_landed_days(warehouse)
    with warehouse.write() as con:
        build.build_tables(con, warehouse, [file for file in FILES if file.layer != "checks"])
        yield con


def test_wine_is_as_the_specification_says(con: duckdb.DuckDBPyConnection) -> None:
    described = con.execute("DESCRIBE ml.samples").fetchall()
    assert [row[0] for row in described] == ["sample_id", "dataset_id", "sample_index", *WINE_FEATURES]
    assert con.execute(
        'SELECT name, count(*), sum("Proline") FROM ml.samples JOIN ml.datasets USING (dataset_id) '
        "GROUP BY 1 ORDER BY 1"
    ).fetchall() == [("wine", 178, 132947), ("wine-sk", 178, 132947)]
    counted = con.execute("SELECT class, count(*) FROM ml.targets WHERE target_name = 'class' GROUP BY 1 ORDER BY 1")
    assert counted.fetchall() == [(0, 59), (1, 71), (2, 48)]


@pytest.mark.parametrize("table", ["samples", "samples_wine", "samples_wine_sk"])
def test_every_feature_of_every_sample_is_scikit_learns(con: duckdb.DuckDBPyConnection, table: str) -> None:
    rows = con.execute(
        f"SELECT * EXCLUDE (sample_id, dataset_id, sample_index) FROM ml.{table} ORDER BY dataset_id, sample_index"
    ).fetchall()
    assert np.array_equal(np.array(rows)[:178], load_wine().data)


def test_any_table_has_its_own_columns(con: duckdb.DuckDBPyConnection) -> None:
    """Two datasets whose names differ in case only share a table: a column for each feature of either."""
    described = con.execute("DESCRIBE ml.samples_odd_1").fetchall()
    types = {name.lower(): type_ for name, type_, *_ in described[3:]}
    assert types == {"a \"b\" 'c'": "BIGINT", "när": "DATE", "size": "DOUBLE"}
    rows = con.execute(
        'SELECT sample_index, "när"::VARCHAR, size, "a ""b"" \'c\'" FROM ml.samples_odd_1 ORDER BY 1'
    ).fetchall()
    assert rows == [(0, "2026-01-03", 0.5, None), (5, "2026-01-02", None, 1), (7, None, None, None)]


def test_class_metrics_are_scikit_learns(
    con: duckdb.DuckDBPyConnection, wine_classes: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> None:
    target = load_wine().target
    rows = con.execute(
        "SELECT precision, recall, f1, support FROM ml.v_class_metrics WHERE run_uuid = 'run-1' ORDER BY class_number"
    ).fetchall()
    expected = zip(*precision_recall_fscore_support(target, wine_classes, zero_division=np.nan), strict=True)
    for ours, theirs in zip(rows, expected, strict=True):
        shown = [math.nan if value is None else value for value in ours]
        assert shown == pytest.approx(list(theirs), rel=1e-12, nan_ok=True)
    assert rows[3][1] is None, "recall of a class that no sample has is unknown, not 0"
    scores = con.execute(
        "SELECT accuracy, macro_f1, model_name, model_version FROM ml.v_prediction_scores WHERE run_uuid = 'run-1'"
    ).fetchall()
    assert scores == [
        (
            pytest.approx(accuracy_score(target, wine_classes)),
            pytest.approx(f1_score(target, wine_classes, average="macro")),
            "forest",
            2,
        )
    ]


def test_confusion_is_scikit_learns(
    con: duckdb.DuckDBPyConnection, wine_classes: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> None:
    expected = confusion_matrix(load_wine().target, wine_classes)
    counted = {
        (target, predicted): n
        for target, predicted, n in con.execute(
            "SELECT target_class_number, predicted_class_number, n_samples FROM ml.v_confusion WHERE run_uuid = 'run-1'"
        ).fetchall()
    }
    assert counted == {(int(t), int(p)): int(n) for (t, p), n in np.ndenumerate(expected) if n}


def test_texts_are_classes_and_numbers_have_errors(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute(
        "SELECT sample_index, class, label FROM ml.targets WHERE target_name = 'kind' ORDER BY 1"
    ).fetchall() == [(5, 1, "rot"), (7, 0, "blau")]
    assert con.execute(
        "SELECT sample_index, class, label FROM ml.predictions "
        "WHERE run_uuid = 'run-2' AND prediction_index = 0 ORDER BY 1"
    ).fetchall() == [(5, 1, "rot"), (7, None, "grün")]
    assert con.execute(
        "SELECT accuracy, mean_absolute_error, root_mean_squared_error FROM ml.v_prediction_scores "
        "WHERE run_uuid = 'run-2' ORDER BY prediction_index"
    ).fetchall() == [(0.5, None, None), (None, 0.25, pytest.approx(math.sqrt(0.125)))]


def test_the_store_is_whole_and_what_is_not_is_found(con: duckdb.DuckDBPyConnection) -> None:
    [check] = [file for file in FILES if file.layer == "checks"]
    assert con.execute(check.text).fetchall() == []
    con.execute("CREATE TEMP TABLE kept AS SELECT * FROM stage.ml_samples")
    con.execute(
        "DELETE FROM stage.ml_samples WHERE sample_index = 7 AND features_json LIKE '%wide%' OR sample_index = 177"
    )
    found = {problem: n for _, problem, n in con.execute(check.text).fetchall()}
    con.execute("DELETE FROM stage.ml_samples")
    con.execute("INSERT INTO stage.ml_samples SELECT * FROM kept")
    assert found["samples of wine that did not land, or too many"] == 1
    assert found["prediction for a sample that is not there"] == 1
    assert found["target of a sample that is not there"] == 1


def test_a_table_is_made_again_only_when_its_datasets_have_changed(
    con: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    [file] = [file for file in FILES if file.name == "sample_tables"]
    before = dict(con.execute("SELECT table_name, table_oid FROM duckdb_tables() WHERE schema_name = 'ml'").fetchall())
    con.execute("DELETE FROM ml.datasets WHERE name = 'wine-sk'")
    build.build_tables(con, Warehouse(folder), [file])
    after = dict(con.execute("SELECT table_name, table_oid FROM duckdb_tables() WHERE schema_name = 'ml'").fetchall())
    assert before.keys() - after.keys() == {"samples_wine_sk"}
    assert after["samples_wine"] == before["samples_wine"]
