"""The lineage of the example stores and of a dataset: held to what the landing files hold, and walked step by step."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from alems_pipeline import build, sql_files
from alems_pipeline.lineage import lineage, tree
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


def reached(edges: list[tuple[Node, Node]], start: Node) -> dict[Node, int]:
    """Every thing that edges lead to, with the number of steps of the shortest way there."""
    following = defaultdict(list)
    for source, target in edges:
        following[source].append(target)
    found = {start: 0}
    front = deque([start])
    while front:
        node = front.popleft()
        for target in following[node]:
            if target not in found:
                found[target] = found[node] + 1
                front.append(target)
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
    """Every step from what is reached, held to a walk in Python, from each kind of thing that there is."""
    edges = steps(con)
    if direction == "up":
        edges = [(target, source) for source, target in edges]
    starts = con.execute("SELECT kind, min(id) FROM lineage_nodes GROUP BY kind ORDER BY kind").fetchall()
    assert {kind for kind, _ in starts} == {
        "baseline", "code", "dataset", "environment", "experiment", "hardware", "landing_file", "model",
        "model_version", "run",
    }  # fmt: skip
    for start in starts:
        nearest = reached(edges, start)
        walked = con.execute(
            f"SELECT distance, via_kind, via_id, kind, id FROM lineage_{direction}(?, ?)", start
        ).fetchall()
        assert len(walked) == len(set(walked))
        assert set(walked) == {(0, None, None, *start)} | {
            (nearest[source] + 1, *source, *target) for source, target in edges if source in nearest
        }


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


def add_steps(con: duckdb.DuckDBPyConnection, relation: str, nodes: list[tuple[str, str, int]]) -> None:
    """A step from each to the next."""
    for source, target in pairwise(nodes):
        con.execute(
            "INSERT INTO lineage_steps VALUES (?, ?, ?, ?, ?, ?, ?)",
            [*source[:2], *target[:2], relation, source[2], target[2]],
        )


def runs(con: duckdb.DuckDBPyConnection, n: int) -> list[tuple[str, str, int]]:
    return con.execute(
        "SELECT kind, id, node FROM lineage_nodes WHERE kind = 'run' AND system = 'energy' ORDER BY id LIMIT ?", [n]
    ).fetchall()


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_circle_is_found_and_walked_once(writable: duckdb.DuckDBPyConnection, length: int) -> None:
    nodes = runs(writable, length)
    add_steps(writable, "made", [*nodes, nodes[0]])
    assert lineage_check(writable) == {"something was made from itself, in a circle": length}
    kind, id_, _ = nodes[0]
    for direction in ("up", "down"):
        walked = writable.execute(
            f"SELECT distance, id FROM lineage_{direction}(?, ?) WHERE relation = 'made' ORDER BY distance", [kind, id_]
        ).fetchall()
        assert [distance for distance, _ in walked] == list(range(1, length + 1))
        assert {run for _, run in walked} == {run for _, run, _ in nodes}
    found = lineage(writable, kind, id_)
    for _ in range(length):
        [found] = [one for one in found["to"] if one["relation"] == "made"]
    assert (found["id"], found["again"], found["to"]) == (id_, True, [])


def test_what_is_reached_on_many_ways_is_told_of_once(writable: duckdb.DuckDBPyConnection) -> None:
    """As when each of 40 generations is the parent of the next, and makes a model that the next one uses."""
    nodes = runs(writable, 40)
    for relation in ("parent of", "trained for"):
        add_steps(writable, relation, nodes)
    found = lineage(writable, *nodes[-1][:2])
    full, again, told, level = Counter[Node](), 0, 0, [found]
    while level:
        full.update((one["kind"], one["id"]) for one in level if one["from"])
        again += sum("again" in one for one in level)
        told += len(level)
        level = [below for one in level for below in one["from"]]
    walked = writable.execute("SELECT kind, id FROM lineage_up(?, ?)", nodes[-1][:2]).fetchall()
    assert told == len(walked)
    assert set(full.values()) == {1}
    assert again > 39
    shown = Console(width=500)
    with shown.capture() as capture:
        shown.print(tree(found))
    lines = capture.get().splitlines()
    assert len(lines) < len(walked) + 100
    assert sum("in full elsewhere" in line and line.count("trained for") == 1 for line in lines) == 39


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
