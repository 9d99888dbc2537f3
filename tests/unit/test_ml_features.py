"""The feature table: nothing in it gives the target away, groups are never split, and a model learns from it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LassoCV, RidgeCV
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from alems_pipeline import sql_files
from alems_pipeline.baseline_model import PENALTIES, held_out_error
from alems_pipeline.cli import app
from alems_pipeline.warehouse import Warehouse, connect_published
from collectors.ids import stable_id
from tests.unit.sql_fixture import World
from tests.warehouses import link_landing, materialize, warehouse_with

TARGET = "dynamic_energy_j"


@pytest.fixture(scope="module")
def home(example_landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example stores, built and published."""
    home = warehouse_with(example_landing, tmp_path_factory.mktemp("features"))
    materialize(home)
    return home


def query(home: Path, text: str) -> pl.DataFrame:
    with connect_published(Warehouse(home).published_path) as con:
        return con.sql(text).pl()


def roles(home: Path) -> dict[str, str]:
    return dict(query(home, "SELECT name, role FROM main.ml_feature_dictionary").iter_rows())


def test_the_table_holds_the_rows_of_the_view(home: Path) -> None:
    view = query(home, "FROM main.ml_features ORDER BY run_id")
    table = query(home, "FROM main.ml_feature_table ORDER BY run_id")
    assert view.height == 40
    assert table.drop("split_group", "fold", "split").equals(view)


def test_the_dictionary_describes_every_column(home: Path) -> None:
    table = query(home, "FROM main.ml_feature_table")
    described = query(home, "FROM main.ml_feature_dictionary ORDER BY position")
    assert described["name"].to_list() == table.columns
    assert described["meaning"].null_count() == 0
    shares = [table[name].null_count() / table.height for name in table.columns]
    assert described["null_share"].to_list() == pytest.approx(shares)
    rows = {row["name"]: row for row in described.iter_rows(named=True)}
    expected = {
        "dynamic_energy_j": ("J", "runs", "target"),
        "ram_gb": ("GiB", "hardware_config", "feature"),
        "task_name": (None, "experiments", "feature"),
        "avg_power_watts": ("W", "runs", "leakage"),
        "baseline_core_power": ("W", "idle_baselines", "feature"),
        "tax_percent": ("%", "orchestration_tax_summary", "leakage"),
        "max_temp_c": ("°C", "runs", "feature"),
        "run_id": (None, "runs", "identifier"),
        "fold": (None, "ml_feature_table", "split"),
    }
    assert {name: tuple(rows[name][key] for key in ("unit", "source", "role")) for name in expected} == expected


def test_no_feature_changes_when_only_the_energy_does(home: Path, tmp_path: Path) -> None:
    """The same stores with counters that count half as fast: what differs must not be a feature."""
    halved = tmp_path / "warehouse"
    link_landing(home / "landing", halved)
    for path in (halved / "landing" / "energy_samples").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        columns = {
            name: pa.array(
                [None if v is None else v // 2 for v in table[name].to_pylist()], table.schema.field(name).type
            )
            if name.endswith(("_energy_uj", "_range_uj"))
            else table[name]
            for name in table.column_names
        }
        path.unlink()  # a hard link: the other warehouse keeps its file
        pq.write_table(pa.table(columns, schema=table.schema), path)
    materialize(halved)
    before, after = (query(folder, "FROM main.ml_feature_table ORDER BY run_id") for folder in (home, halved))
    changed = {name for name in before.columns if not before[name].equals(after[name], null_equal=True)}
    of = roles(home)
    assert {"dynamic_energy_j", "energy_per_token", "tax_percent", "avg_power_watts"} <= changed
    assert {of[name] for name in changed} == {"target", "leakage"}
    assert after["total_energy_j"].to_list() == pytest.approx((before["total_energy_j"] / 2).to_list(), abs=1e-4)


def test_groups_are_never_split_and_where_they_fall_depends_on_their_name_alone(
    home: Path, three_day_landing: Path, tmp_path: Path
) -> None:
    more = tmp_path / "warehouse"
    link_landing(home / "landing", more)
    link_landing(three_day_landing, more, prefix="more-")
    materialize(more)
    names = "run_id, group_id, split_group, fold, split"
    alone, together = (
        query(folder, f"SELECT {names} FROM main.ml_feature_table ORDER BY run_id") for folder in (home, more)
    )
    assert alone.equals(together.join(alone.select("run_id"), on="run_id", how="semi").sort("run_id"))
    assert together["split_group"].n_unique() == 7
    for row in together.iter_rows(named=True):
        assert row["split_group"] == row["group_id"]
        assert row["fold"] == stable_id(row["group_id"]) % 5
        assert row["split"] == {0: "test", 1: "validation"}.get(row["fold"], "train")


def test_the_export_is_the_table_with_its_dictionary(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ALEMS_WAREHOUSE", str(home))
    paths = [tmp_path / name for name in ("first.parquet", "second.parquet", "leak_free.parquet")]
    for path, more in zip(paths, ([], [], ["--leak-free"]), strict=True):
        result = CliRunner().invoke(app, ["features", "--out", str(path), *more])
        assert result.exit_code == 0, result.output
        assert "40 runs written" in result.output
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert pl.read_parquet(paths[0]).equals(query(home, "FROM main.ml_feature_table ORDER BY run_id"))
    field = pq.read_schema(paths[0]).field(TARGET)
    assert {key.decode(): value.decode() for key, value in field.metadata.items() if key != b"PARQUET:field_id"} == {
        "role": "target", "unit": "J", "source": "runs", "meaning": "total − baseline; may be negative, J",
    }  # fmt: skip
    of = roles(home)
    assert pq.read_schema(paths[2]).names == [name for name in of if of[name] != "leakage"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)


def test_an_empty_warehouse_has_an_empty_feature_table(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.build()
    for file in sql_files.layer_files("marts"):
        if file.name in ("ml_feature_table", "ml_feature_dictionary"):
            sql_files.run(world.con, file)
    assert world.rows("FROM main.ml_feature_table") == []
    described = world.rows("FROM main.ml_feature_dictionary")
    assert len(described) > 150
    assert {row["null_share"] for row in described} == {None}


def test_the_baseline_model_errs_as_scikit_learns_does(home: Path) -> None:
    """Ridge regression on the same columns, each session predicted by a model of the others."""
    table = query(home, "FROM main.ml_feature_table ORDER BY run_id")
    [row] = query(home, "FROM main.ml_baseline_error").to_dicts()
    frame, columns = numbers_and_words(table, roles(home))
    model = make_pipeline(columns, StandardScaler(), RidgeCV(alphas=PENALTIES))
    error, naive = held_out_errors(model, frame, table)
    assert row["held_out_mae_j"] == pytest.approx(error, abs=1e-5)
    assert row["mean_mae_j"] == pytest.approx(naive, abs=1e-5)
    assert (row["n_runs"], row["n_groups"], row["n_features"]) == (40, 4, frame.width)
    assert row["held_out_mae_j"] < row["mean_mae_j"] * 0.6


@pytest.mark.parametrize("change", [pl.lit(None, pl.Float64).alias(TARGET), pl.lit(True).alias("is_estimated")])
def test_without_measured_energies_nothing_is_said_of_the_features(home: Path, change: pl.Expr) -> None:
    table = query(home, "FROM main.ml_feature_table").with_columns(change)
    assert held_out_error(table, roles(home)).is_empty()


def test_a_linear_model_predicts_dynamic_energy_of_sessions_it_has_not_seen(home: Path) -> None:
    """The lasso on all leak-free features; each session is predicted by a model of the others."""
    table = query(home, "FROM main.ml_feature_table ORDER BY run_id")
    frame, columns = numbers_and_words(table, roles(home))
    error, naive = held_out_errors(make_pipeline(columns, LassoCV(max_iter=50_000)), frame, table)
    # Measured: 6.6 J where guessing the mean errs by 16.2 J; the energies lie between 19 and 79 J.
    assert error < naive / 2


def numbers_and_words(table: pl.DataFrame, of: dict[str, str]) -> tuple[pl.DataFrame, Any]:
    """The features, and what makes numbers of them."""
    names = [name for name in table.columns if of[name] == "feature" and table[name].null_count() < table.height]
    numbers = [name for name in names if table[name].dtype.is_numeric() or table[name].dtype == pl.Boolean]
    words = [name for name in names if table[name].dtype == pl.String]
    frame = table.select(
        *(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in numbers),
        *(pl.col(name).fill_null("") for name in words),
    )
    return frame, make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )


def held_out_errors(model: Any, frame: pl.DataFrame, table: pl.DataFrame) -> tuple[float, float]:
    """Mean absolute error of a model, and of guessing the mean."""
    target, groups = table[TARGET].to_numpy(), table["split_group"].to_numpy()
    predicted = cross_val_predict(model, frame, target, groups=groups, cv=LeaveOneGroupOut())
    mean = np.array([target[groups != group].mean() for group in groups])
    return float(np.abs(predicted - target).mean()), float(np.abs(mean - target).mean())
