"""An MLflow store on a real PostgreSQL server, made by MLflow, through to the published file."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from alems_pipeline.warehouse import connect_published
from collectors.cli import app
from collectors.contract_tracking import TABLES
from collectors.sources import sql_store
from collectors.sources.mlflow_store import import_store
from collectors.sources.sqlite_file import StoreUnreadable
from tests.conftest import fill_mlflow_store
from tests.mlflow_rows import in_order, table_of_store
from tests.postgres_server import PASSWORD, QUOTED_PASSWORD, USER, binaries, running_server
from tests.warehouses import materialize

pytestmark = pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server: apt-get install postgresql")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed: pip install 'alems-pipeline[test]'")
    with running_server() as place:
        url = f"postgresql://{USER}:{QUOTED_PASSWORD}@{place}"
        fill_mlflow_store(of_sqlalchemy(url), tmp_path_factory.mktemp("mlflow") / "artifacts")
        yield url


def of_sqlalchemy(url: str) -> str:
    """With the driver named: another one is SQLAlchemy's default."""
    return url.replace("postgresql:", "postgresql+psycopg2:")


@pytest.fixture(scope="module")
def home(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the store in it, and what the command printed in `printed`."""
    home = tmp_path_factory.mktemp("warehouse")
    arguments = ["mlflow", "--landing", str(home / "landing")]
    done = CliRunner().invoke(app, arguments, env={"ALEMS_MLFLOW_URL": of_sqlalchemy(url)})
    assert done.exit_code == 0, done.output
    (home / "printed").write_text(done.output)
    materialize(home)
    return home


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    import psycopg2

    with closing(psycopg2.connect(url)) as con, con, con.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="module")
def published(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect_published(home / "alems.duckdb") as con:
        yield con


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_the_stores_row_for_row(table: str, url: str, published: duckdb.DuckDBPyConnection) -> None:
    columns = query(url, f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")
    listed, expected = table_of_store(lambda sql: query(url, sql), table, [name for (name,) in columns])
    assert expected, "the store that MLflow made has rows in every table"
    assert in_order(published.execute(f"SELECT {listed} FROM mlflow.{table}").fetchall()) == in_order(expected)


def test_no_check_finds_anything(published: duckdb.DuckDBPyConnection) -> None:
    assert published.execute("SELECT * FROM ops.check_results WHERE n_failed > 0").fetchall() == []


def test_the_password_is_written_nowhere(url: str, home: Path) -> None:
    for path in (path for path in home.rglob("*") if path.is_file() and ".duckdb" not in path.name):
        content = path.read_bytes()
        assert PASSWORD.encode() not in content and QUOTED_PASSWORD.encode() not in content, path
    wrong = url.replace(QUOTED_PASSWORD, "hushed")
    with pytest.raises(StoreUnreadable, match="password authentication failed") as caught:
        import_store(wrong, home / "landing")
    assert "hushed" not in str(caught.value)


def test_only_what_has_changed_is_read_again(url: str, home: Path) -> None:
    assert import_store(url, home / "landing").rows == {}
    [(run_uuid,)] = query(url, "SELECT run_uuid FROM runs WHERE name = 'run 4'")
    query(url, f"INSERT INTO metrics VALUES ('loss', -1, 5, '{run_uuid}', 3, FALSE)")
    owned = ("runs", "metrics", "latest_metrics", "params", "tags")
    counts = {table: f"SELECT count(*) FROM {table} WHERE run_uuid = '{run_uuid}'" for table in owned}
    expected = {table: query(url, sql)[0][0] for table, sql in counts.items()}
    assert import_store(url, home / "landing").rows == expected


def test_a_locked_store_is_said_to_be_locked(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg2

    monkeypatch.setattr(sql_store, "WAIT_S", 0.05)
    with closing(psycopg2.connect(url)) as con, con.cursor() as cursor:
        cursor.execute("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE")  # as a migration does
        with pytest.raises(StoreUnreadable, match="is locked by another program; try again"):
            import_store(url, home / "landing")
        con.rollback()
