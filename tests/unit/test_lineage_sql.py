"""The lineage of the example stores and of a dataset: held to what the landing files hold, and walked step by step."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from alems_pipeline import build, sql_files
from alems_pipeline.warehouse import Warehouse
from tests.warehouses import TRACKED_RUN

Node = tuple[str, str]


@pytest.fixture
def con(example_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(example_home).read() as con:
        yield con


@pytest.fixture
def writable(example_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build file, all that a test does to it undone."""
    with duckdb.connect(Warehouse(example_home).build_path) as con:
        con.execute("BEGIN")
        yield con
        con.execute("ROLLBACK")


def steps(con: duckdb.DuckDBPyConnection) -> list[tuple[Node, Node]]:
    rows = con.execute("SELECT source_kind, source_id, target_kind, target_id FROM lineage_edges").fetchall()
    return [((row[0], row[1]), (row[2], row[3])) for row in rows]


def reached(edges: list[tuple[Node, Node]], start: Node) -> dict[Node, set[int]]:
    """Every thing that edges lead to, with the numbers of steps of the ways there."""
    following = defaultdict(list)
    for source, target in edges:
        following[source].append(target)
    found: dict[Node, set[int]] = defaultdict(set)
    front = {start}
    for distance in range(20):
        for node in front:
            found[node].add(distance)
        front = {target for node in front for target in following[node]}
    return found


def test_every_run_leads_to_exactly_the_files_that_hold_its_rows(
    example_home: Path, con: duckdb.DuckDBPyConnection
) -> None:
    files = defaultdict(set)
    for path in (example_home / "landing").rglob("*.parquet"):
        table = pq.ParquetFile(path).read()
        for name in {"run_key", "linear_run_key", "agentic_run_key"}.intersection(table.column_names):
            for key in table.column(name).unique().to_pylist():
                files[key].add(str(path.relative_to(example_home / "landing")))
    rows = con.execute(
        "SELECT any_value(staged.run_key), list(DISTINCT source_id) FROM lineage_edges "
        "JOIN (SELECT DISTINCT run_id, run_key FROM stage.runs) AS staged ON target_id = staged.run_id::VARCHAR "
        "WHERE source_kind = 'landing_file' AND target_kind = 'run' GROUP BY target_id"
    ).fetchall()
    assert len(rows) == 40
    assert {key: set(paths) for key, paths in rows} == files


@pytest.mark.parametrize("direction", ["up", "down"])
def test_the_macros_walk_every_way(con: duckdb.DuckDBPyConnection, direction: str) -> None:
    """Held to a walk in Python, from each kind of thing that there is."""
    edges = steps(con)
    if direction == "up":
        edges = [(target, source) for source, target in edges]
    starts = con.execute("SELECT kind, min(id) FROM lineage_nodes GROUP BY kind ORDER BY kind").fetchall()
    assert {kind for kind, _ in starts} == {
        "baseline", "code", "dataset", "environment", "experiment", "hardware", "landing_file", "model",
        "model_version", "run",
    }  # fmt: skip
    for start in starts:
        walked: dict[Node, set[int]] = defaultdict(set)
        for distance, kind, id_ in con.execute(
            f"SELECT distance, kind, id FROM lineage_{direction}(?, ?)", start
        ).fetchall():
            walked[kind, id_].add(distance)
        assert walked == reached(edges, start)


def test_a_run_says_what_it_is_from(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute(
        "SELECT l.hardware, l.baselines, l.commits, l.experiments, len(l.landing_files), r.hw_id, r.baseline_id, "
        "e.git_commit, r.exp_id FROM v_run_lineage AS l JOIN runs AS r ON l.id = r.run_id::VARCHAR "
        "JOIN environment_config AS e ON e.env_id = r.env_id"
    ).fetchall()
    assert len(rows) == 40
    for hardware, baselines, commits, experiments, n_files, hw_id, baseline_id, commit, exp_id in rows:
        assert (hardware, baselines, commits, experiments) == ([str(hw_id)], [baseline_id], [commit], [str(exp_id)])
        # 6 hold the run, 4 its experiment, hardware, environment and baseline; and some its events and its store's tax.
        assert 10 <= n_files <= 12


def test_a_prediction_leads_from_the_data_to_the_model(con: duckdb.DuckDBPyConnection) -> None:
    [(dataset,)] = con.execute("SELECT name || '@' || digest FROM ml.datasets").fetchall()
    [row] = con.execute(
        "SELECT datasets, model_versions, len(landing_files) FROM v_run_lineage WHERE id = ?", [TRACKED_RUN]
    ).fetchall()
    assert row == ([dataset], ["m/2"], 3)
    downstream = con.execute("SELECT kind, id FROM lineage_down('dataset', ?) WHERE distance > 0", [dataset]).fetchall()
    predictions = con.execute("SELECT path FROM ops.landing_files WHERE dataset = 'ml_predictions'").fetchall()
    assert set(downstream) == {("run", TRACKED_RUN), ("model_version", "m/2"), ("landing_file", predictions[0][0])}


def lineage_check(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    [check] = [file for file in sql_files.layer_files("checks") if file.name == "lineage"]
    return {problem: n for _, problem, n in con.execute(check.text).fetchall()}


def test_the_lineage_is_complete(writable: duckdb.DuckDBPyConnection) -> None:
    assert lineage_check(writable) == {}


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_circle_is_found(writable: duckdb.DuckDBPyConnection, length: int) -> None:
    nodes = writable.execute(f"SELECT kind, id, node FROM lineage_nodes WHERE kind = 'run' LIMIT {length}").fetchall()
    for source, target in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        writable.execute(
            "INSERT INTO lineage_steps VALUES (?, ?, ?, ?, 'made', ?, ?)",
            [*source[:2], *target[:2], source[2], target[2]],
        )
    assert lineage_check(writable) == {"something was made from itself, in a circle": length}


def test_what_is_missing_is_found(writable: duckdb.DuckDBPyConnection) -> None:
    writable.execute(
        "INSERT INTO lineage_steps VALUES ('hardware', 'gone', 'run', 'gone too', 'ran on', 1, 2);"
        "DELETE FROM lineage_steps WHERE relation IN ('runs', 'energy_samples') "
        "AND target_id = (SELECT max(run_id)::VARCHAR FROM runs)"
    )
    assert lineage_check(writable) == {
        "a source of kind hardware is no node": 1,
        "a target of kind run is no node": 1,
        "a measured run without the landing file of its record": 1,
        "a run with an energy, without the landing file of its samples": 1,
    }


def test_what_older_code_made_as_a_table_becomes_a_view(
    example_home: Path, writable: duckdb.DuckDBPyConnection
) -> None:
    [file] = [file for file in sql_files.layer_files("views") if file.name == "lineage_nodes"]
    writable.execute("DROP VIEW lineage_nodes; CREATE TABLE lineage_nodes AS SELECT 1 AS node")
    build.build_tables(writable, Warehouse(example_home), [file])
    assert writable.execute("SELECT count(*) > 1 FROM lineage_nodes WHERE kind = 'run'").fetchall() == [(True,)]
