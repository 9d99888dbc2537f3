"""Files of sql/: each keeps to the form, reads what its header says, and makes what its name says."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from alems_pipeline import build, sql_files

LAYERS_WITH_DEPENDS = ("day", "core", "marts", "views", "checks")
ALL_FILES = [file for layer in LAYERS_WITH_DEPENDS for file in sql_files.layer_files(layer)]


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_a_table_file_is_parsed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "core",
        "cars.sql",
        "-- One row per car.\n-- depends: stage.cars, wheels\n"
        "CREATE OR REPLACE TABLE main.cars (\n    car_id BIGINT PRIMARY KEY, -- stable id\n"
        "    mass_kg DOUBLE -- mass\n);\n",
    )
    file = sql_files.parse(path)
    assert (file.kind, file.qualified_name, file.layer) == ("table", "main.cars", "core")
    assert file.description == "One row per car."
    assert file.depends == ("stage.cars", "wheels")
    assert file.column_docs == {"car_id": "stable id", "mass_kg": "mass"}


def test_view_columns_are_named_by_the_last_word_of_their_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "views",
        "fast.sql",
        "-- Fast cars.\n-- depends: cars\nCREATE OR REPLACE VIEW main.fast AS\nSELECT\n"
        "    c.car_id, -- stable id\n    c.v / 3.6 AS speed_m_s -- speed\nFROM main.cars AS c;\n",
    )
    assert sql_files.parse(path).column_docs == {"car_id": "stable id", "speed_m_s": "speed"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.sql", "CREATE TABLE main.a (x INT);", "no description"),
        ("a.sql", "-- A.\nSELECT 1;", "makes nothing"),
        ("a.sql", "-- A.\nCREATE TABLE main.b (x INT);", "name the file b.sql"),
    ],
)
def test_a_file_that_breaks_the_form_is_named(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(sql_files.BrokenSqlFile, match=reason):
        sql_files.parse(write(tmp_path / "core", name, text))


@pytest.mark.parametrize("file", ALL_FILES, ids=lambda file: f"{file.layer}/{file.name}")
def test_header_names_exactly_the_tables_that_the_text_reads(file: sql_files.SqlFile) -> None:
    code = re.sub(r"--.*", "", file.text)
    # Tables are always written schema.table; a bare name is a CTE or a view of the day's samples, and so is one that
    # reads what it has found so far.
    read = set(re.findall(r"(?<!DELETE )(?<!DISTINCT )\b(?:FROM|JOIN)\s+(?!recurring\.)(\w+\.\w+)", code))
    declared = {sql_files.qualified(name) for name in file.depends}
    if file.made_by:
        assert file.depends, "what Python reads stands in the header alone"
    else:
        assert declared == read - {file.qualified_name}


@pytest.mark.parametrize("file", [f for f in ALL_FILES if f.layer != "checks"], ids=lambda file: file.name)
def test_every_column_has_its_meaning(file: sql_files.SqlFile) -> None:
    assert file.column_docs, f"{file.path}: no column has a comment"


@pytest.mark.parametrize("name", ['beam "on"', 'x" IS NULL; DROP TABLE main.other; COMMENT ON COLUMN main.cars."id'])
def test_a_column_of_any_name_gets_its_comment(tmp_path: Path, name: str) -> None:
    text = "-- A car.\nCREATE OR REPLACE TABLE main.cars (\n    id INT -- car\n);\n"
    file = replace(sql_files.parse(write(tmp_path / "core", "cars.sql", text)), column_docs={name: "it's given"})
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE main.other (id INT); CREATE TABLE main.cars (id INT, {sql_files.quoted(name)} INT)")
        sql_files.comment(con, [file])
        found = con.execute("SELECT column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL").fetchall()
        assert found == [(name, "it's given")]
        assert con.execute("SELECT count(*) FROM main.other").fetchall() == [(0,)]


def test_a_file_may_be_named_with_its_schema(tmp_path: Path) -> None:
    text = "-- A car.\nCREATE OR REPLACE TABLE ml.cars (\n    id INT -- car\n);\n"
    assert sql_files.parse(write(tmp_path / "core", "ml.cars.sql", text)).qualified_name == "ml.cars"


def test_order_follows_what_files_read() -> None:
    for layer in LAYERS_WITH_DEPENDS[:-1]:
        seen: set[str] = set()
        names = {file.qualified_name for file in sql_files.layer_files(layer)}
        for file in sql_files.layer_files(layer):
            assert {sql_files.qualified(d) for d in file.depends} & names <= seen
            seen.add(file.qualified_name)


def imported(module: str) -> set[str]:
    """The modules of alems_pipeline that one of them imports, as `stage` or `keys.names`."""
    package = Path(build.__file__).parent
    path = package.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names = {name.removeprefix("alems_pipeline.") for name in found if name.startswith("alems_pipeline.")}
    return {name for name in names if (package / f"{name.replace('.', '/')}.py").exists()}


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        # The warehouse says where files lie and how one is opened.
        (build._DAY_MODULES, {"warehouse"}),
        # What a change of the days' code makes anew are the days, and the tables after them.
        (build._TABLE_MODULES, {"warehouse", *build._DAY_MODULES}),
    ],
)
def test_code_whose_change_makes_anew_is_all_there(listed: tuple[str, ...], known: set[str]) -> None:
    """A module that a listed one imports is listed too: a changed rule must reach what it was applied to."""
    packages = ("keys.", "benchmarks.")  # of these every module counts
    needed, open_ = set(listed), list(listed)
    while open_:
        new = imported(open_.pop()) - needed - known
        needed |= new
        open_ += new
    assert {name for name in needed if not name.startswith(packages)} == set(listed)
