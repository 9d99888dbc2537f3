"""Evidence for the figures of runs: a ZIP of their landing files, the SQL and versions that made them, and the figures.

Made twice of the same publication it is the same file, to the byte. `verify` takes nothing in it on trust: every member
is held to its hash, the archive to the bytes that its members make, and the figures to those that a fresh warehouse
computes from the landing files.
"""

import hashlib
import io
import json
import math
import platform
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import duckdb

from alems_pipeline import build, sql_files, tracked
from alems_pipeline.sql_files import SQL_ROOT, SqlFile
from alems_pipeline.warehouse import Warehouse
from collectors.contract import CONTRACT_VERSION

FORMAT: Final = "alems-evidence/2"
MANIFEST: Final = "manifest.json"
FIGURES: Final = "figures.json"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # ZIP's own first day: the time of every member
MAX_MEMBERS: Final = 100_000
MAX_BYTES: Final = 1 << 30
MAX_TEXT_BYTES: Final = 64 << 20  # of the manifest and the figures
EQUAL: Final = 1e-12
"""Relative difference up to which two floats are one figure: the last digits of a sum depend on its order."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A table whose rows are figures of runs: the columns that name the run, and those that tell its rows apart."""

    runs: tuple[str, ...]
    key: tuple[str, ...]


TABLES: Final[dict[str, dict[str, Figure]]] = {
    "main": {
        "runs": Figure(("run_id",), ("run_id",)),
        "run_energy": Figure(("run_id",), ("run_id",)),
        "run_telemetry": Figure(("run_id",), ("run_id",)),
        "run_grid_factors": Figure(("run_id",), ("run_id",)),
        "event_energy": Figure(("run_id",), ("event_id",)),
        "orchestration_tax_summary": Figure(("linear_run_id", "agentic_run_id"), ("linear_run_id", "agentic_run_id")),
    },
    "mlflow": {
        "runs": Figure(("run_uuid",), ("run_uuid",)),
        "params": Figure(("run_uuid",), ("run_uuid", "key")),
        "latest_metrics": Figure(("run_uuid",), ("run_uuid", "key")),
    },
    "rcdb": {
        "runs": Figure(("number",), ("number",)),
        "conditions": Figure(("run_number",), ("run_number", "condition_type_id")),
    },
    "inference": {
        "workflow_runs": Figure(("workflow_run_id",), ("workflow_run_id",)),
        "benchmark_results": Figure(("workflow_run_id",), ("workflow_run_id", "config_id", "isl", "osl", "conc")),
        "eval_results": Figure(("workflow_run_id",), ("workflow_run_id", "config_id", "task", "isl", "osl", "conc")),
    },
}
"""What the figures of a run are, by the schema of its system: `main` for measured runs; of a further store, as
mlflow_lab, as of the first."""

_OF_ALL_RUNS: Final = {
    "mlflow": ("mlflow_alembic_version", "mlflow_removed", "mlflow_imports"),
    "rcdb": ("rcdb_schema_versions", "rcdb_condition_types"),
}
"""Small datasets that say something of all runs of such stores: which there are, what is gone, what names mean."""

_SCHEMA: Final = re.compile(r"(main|inference|(?:mlflow|rcdb)(?:_[a-z0-9_]{1,41})?)")
_PLACE: Final = re.compile(
    r"landing/[a-z_]+/date=\d{4}-\d{2}-\d{2}/[^/\\\x00-\x1f]+\.parquet"
    r"|sql/[a-z]+/[\w.]+\.(sql|csv)|manifest\.json|figures\.json"
)

Json = Any
Figures = dict[str, list[dict[str, Json]]]
Runs = dict[str, list[str]]
"""Schema -> the runs of it, by their ids there."""


class NoEvidence(RuntimeError):
    """Evidence cannot be given, or a file is none; the message says why and what to do."""


@dataclass(slots=True)
class Verdict:
    """What was found wrong with a bundle; nothing means equal."""

    runs: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    n_figures: int = 0

    @property
    def is_equal(self) -> bool:
        return not self.damage and not self.differences


# ---- making ----------------------------------------------------------------------------------------------------------


def bundle(warehouse: Warehouse, con: duckdb.DuckDBPyConnection, runs: Sequence[str], out: Path) -> list[str]:
    """Write the evidence for runs, given by their ids in the lineage; of a tracked run also for what it measured.

    Returns the landing files in it. Raises NoEvidence, OSError.
    """
    named = _named(con, runs)
    paths = _landing_files(con, named)
    members: dict[str, bytes | Path] = {f"landing/{path}": warehouse.landing / path for path in paths}
    for path in paths:
        if not (warehouse.landing / path).is_file():
            raise NoEvidence(f"{warehouse.landing / path}: gone; bring it back, then give evidence")
    members |= {name: text.encode() for name, text in _sources(named).items()}
    members[FIGURES] = _json(_figures(con, named))
    described = {name: _described(source) for name, source in sorted(members.items())}
    n_bytes = sum(int(one["bytes"]) for one in described.values())
    if n_bytes > MAX_BYTES:
        raise NoEvidence(f"{out}: would have {n_bytes} bytes, a bundle at most {MAX_BYTES}; give fewer runs at once")
    manifest = {"format": FORMAT, "runs": named, "versions": _versions(), "files": described}
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            _write(file, {**members, MANIFEST: _json(manifest)})
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return paths


def _named(con: duckdb.DuckDBPyConnection, runs: Sequence[str]) -> Runs:
    """The runs of those ids, by schema. Raises NoEvidence."""
    named: dict[str, set[str]] = {}
    for run in runs:
        rows = con.execute(
            """
            SELECT 'main', run_id::VARCHAR FROM main.runs WHERE run_id = try_cast($run AS BIGINT)
            UNION
            SELECT store, run_uuid FROM main.tracked_runs WHERE run_uuid = $run
            UNION
            SELECT 'main', run_id::VARCHAR FROM main.tracked_measurements WHERE run_uuid = $run
            UNION
            SELECT schema_name, number::VARCHAR FROM stage.rcdb_runs WHERE schema_name || ':' || number = $run
            UNION
            SELECT 'inference', workflow_run_id::VARCHAR FROM inference.workflow_runs
            WHERE 'inference:' || workflow_run_id = $run
            """,
            {"run": run},
        ).fetchall()
        if not rows:
            raise NoEvidence(
                f'{run}: no run that has figures; `alems sql "SELECT id, label FROM v_run_lineage"` lists the runs'
            )
        for schema, id_ in rows:
            named.setdefault(schema, set()).add(id_)
    return {schema: sorted(ids) for schema, ids in sorted(named.items())}


def _landing_files(con: duckdb.DuckDBPyConnection, named: Runs) -> list[str]:
    """All that the runs were made from; of measured runs also what those that they are paired with were made from, and
    the records of the other runs of their experiments, by which runs are numbered and paired."""
    rows = con.execute(
        """
        WITH wanted AS (
            SELECT unnest($measured::BIGINT[]) AS run_id
        ),
        paired AS (
            SELECT run_id FROM wanted
            UNION
            SELECT unnest([linear_run_id, agentic_run_id]) FROM main.orchestration_tax_summary
            WHERE linear_run_id IN (FROM wanted) OR agentic_run_id IN (FROM wanted)
        ),
        siblings AS (
            SELECT run_id FROM main.runs WHERE exp_id IN (SELECT exp_id FROM main.runs WHERE run_id IN (FROM wanted))
        )
        SELECT unnest(landing_files) AS path FROM main.v_run_lineage
        WHERE id IN (SELECT run_id::VARCHAR FROM paired) OR list_contains($others, id)
        UNION
        SELECT source_id FROM main.lineage_edges
        WHERE relation = 'runs' AND target_kind = 'run' AND target_id IN (SELECT run_id::VARCHAR FROM siblings)
        UNION
        SELECT path FROM ops.landing_files WHERE status = 'accepted' AND list_contains($of_all, dataset)
        ORDER BY path
        """,
        {
            "measured": [int(id_) for id_ in named.get("main", [])],
            "others": [_node(schema, id_) for schema, ids in named.items() if schema != "main" for id_ in ids],
            "of_all": [dataset for schema in named for dataset in _OF_ALL_RUNS.get(_family(schema), ())],
        },
    ).fetchall()
    return [path for (path,) in rows]


def _family(schema: str) -> str:
    """The schema of the first store of its kind."""
    return schema.partition("_")[0]


def _node(schema: str, id_: str) -> str:
    """The id of a run in the lineage."""
    return id_ if _family(schema) in ("main", "mlflow") else f"{schema}:{id_}"


def _figures(con: duckdb.DuckDBPyConnection, named: Runs) -> Figures:
    figures: Figures = {}
    for schema, ids in named.items():
        present = {
            table
            for (table,) in con.execute(
                "SELECT DISTINCT table_name FROM duckdb_columns() WHERE schema_name = ?", [schema]
            ).fetchall()
        }
        for table, figure in TABLES[_family(schema)].items():
            if table not in present:
                continue
            of_runs = " OR ".join(f"list_contains(?, {column}::VARCHAR)" for column in figure.runs)
            result = con.execute(
                f"SELECT * FROM {schema}.{table} WHERE {of_runs} ORDER BY ALL", [ids] * len(figure.runs)
            )
            names = [column[0] for column in result.description or ()]
            figures[_shown_table(schema, table)] = [
                {name: _plain(value) for name, value in zip(names, row, strict=True)} for row in result.fetchall()
            ]
    return figures


def _shown_table(schema: str, table: str) -> str:
    return table if schema == "main" else f"{schema}.{table}"


def _figure_of(shown: str) -> Figure | None:
    """What a table's rows are, by the name that it has in a bundle."""
    schema, _, table = shown.rpartition(".")
    schema = schema or "main"
    return TABLES[_family(schema)].get(table) if _SCHEMA.fullmatch(schema) else None


def _plain(value: object) -> Json:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has neither infinity nor NaN
    return value


def _files_needed(named: Runs) -> list[SqlFile]:
    """The tables of the figures and all that they are made from, in the order of making."""
    files = [file for layer in ("day", "core", "marts") for file in sql_files.layer_files(layer)]
    by_name = {file.qualified_name: file for file in files}
    needed: set[str] = set()
    open_ = [f"{family}.{table}" for family in {_family(schema) for schema in named} for table in TABLES[family]]
    while open_:
        name = open_.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            open_ += [sql_files.qualified(one) for one in by_name[name].depends]
    return [file for file in files if file.qualified_name in needed]


def _sources(named: Runs) -> dict[str, str]:
    """The SQL that made the figures, and the registries that it reads, by their place in the bundle."""
    sources = {}
    files = _files_needed(named)
    for name in {name for file in files for name in file.made_by if name.startswith("sql/registry/")}:
        sources[name] = (SQL_ROOT.parent / name).read_text()
    paths = [*(file.path for file in files), *sorted((SQL_ROOT / "ddl").glob("*.sql"))]
    if any(name.startswith(f"{tracked.SCHEMA}.") for file in files for name in file.depends):
        paths += sorted(tracked.TEMPLATES.glob("*.sql"))
    for path in paths:
        text = path.read_text()
        sources[f"sql/{path.parent.name}/{path.name}"] = text
        for name in re.findall(r"\{registry:(\w+)\}", text):
            sources[f"sql/registry/{name}.csv"] = (SQL_ROOT / "registry" / f"{name}.csv").read_text()
    return sources


def _versions() -> dict[str, str | int]:
    return {
        "alems-pipeline": version("alems-pipeline"),
        "contract": CONTRACT_VERSION,
        "day_code": build.DAY_CODE,
        "table_code": build.TABLE_CODE,
        "python": platform.python_version(),
        **{package: version(package) for package in ("duckdb", "polars", "pyarrow")},
    }


# ---- the archive -----------------------------------------------------------------------------------------------------


def _write(file: Any, members: Mapping[str, bytes | Path]) -> None:
    """An archive that depends on its members only: sorted, undated, uncompressed (Parquet is compressed already)."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            source = members[name]
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, source if isinstance(source, bytes) else source.read_bytes())


def _described(source: bytes | Path) -> dict[str, str | int]:
    data = source if isinstance(source, bytes) else source.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _json(value: Json) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


# ---- verifying -------------------------------------------------------------------------------------------------------


def verify(path: Path, on_step: Callable[[str], None] = lambda step: None) -> Verdict:
    """Hold a bundle to its hashes and its figures to those computed anew from its landing files.

    Raises NoEvidence where it is no bundle at all or one that may not be opened; OSError.
    """
    verdict = Verdict()
    on_step("hashes")
    members = _read(path, verdict)
    manifest, figures = _parsed(path, members, verdict)
    if manifest is None or figures is None:
        return verdict
    _hold_to_manifest(manifest, members, verdict)
    if not verdict.damage:
        _hold_to_archive(path, members, verdict)
    if verdict.damage:
        return verdict
    named: Runs = manifest["runs"]
    verdict.runs = [_node(schema, id_) for schema, ids in named.items() for id_ in ids]
    verdict.notes = [
        f"made by {name} {theirs}, computed anew by {ours}"
        for name, ours in _versions().items()
        if (theirs := manifest["versions"].get(name)) != ours
    ]
    if manifest["versions"].get("table_code") == _versions()["table_code"]:
        verdict.damage += [
            f"{name}: not the SQL of its version"
            for name, text in _sources(named).items()
            if members.get(name) != text.encode()
        ]
    if verdict.damage:
        return verdict
    on_step("figures")
    computed = _computed_anew(members, named)
    verdict.differences = _differences(figures, computed)
    verdict.n_figures = sum(len(row) for rows in figures.values() for row in rows)
    return verdict


def _read(path: Path, verdict: Verdict) -> dict[str, bytes]:
    """The members whose bytes can be had. Raises NoEvidence for what no bundle has: a bomb, a way out of the folder."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise NoEvidence(f"{path}: no readable ZIP archive ({error}); it is damaged or of another kind") from error
    with archive:
        infos = archive.infolist()
        _refuse_dangers(path, infos)
        members: dict[str, bytes] = {}
        for info in infos:
            try:
                members[info.filename] = archive.read(info)
            except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError, OSError) as error:
                verdict.damage.append(f"{info.filename}: damaged ({error})")
    return members


def _refuse_dangers(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    size = path.stat().st_size
    if len(infos) > MAX_MEMBERS or size > MAX_BYTES:
        raise NoEvidence(
            f"{path}: {len(infos)} members, {size} bytes; a bundle has at most {MAX_MEMBERS} and {MAX_BYTES}"
        )
    names = Counter(info.filename for info in infos)
    for info in infos:
        if not _PLACE.fullmatch(info.filename):
            raise NoEvidence(
                f"{path}: member {info.filename!r}; a bundle has only landing files, SQL and two JSON files"
            )
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise NoEvidence(f"{path}: member {info.filename} is compressed or encrypted; in a bundle none is")
        if names[info.filename] > 1:
            raise NoEvidence(f"{path}: member {info.filename} stands twice; in a bundle each stands once")
    if sum(info.file_size for info in infos) > size:
        raise NoEvidence(f"{path}: its members are longer than the file; they overlap, as in no bundle")


def _parsed(path: Path, members: Mapping[str, bytes], verdict: Verdict) -> tuple[Json | None, Figures | None]:
    parsed: list[Json] = []
    for name in (MANIFEST, FIGURES):
        data = members.get(name)
        if data is None:
            if not verdict.damage:
                raise NoEvidence(f"{path}: has no {name}; it was not made by `alems evidence`")
            return None, None
        if len(data) > MAX_TEXT_BYTES:
            raise NoEvidence(f"{path}: {name} has {len(data)} bytes; at most {MAX_TEXT_BYTES}")
        try:
            parsed.append(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise NoEvidence(f"{path}: {name} is no JSON ({error})") from error
        if _json(parsed[-1]) != data:  # a key that stands twice would show a reader another value than it shows us
            verdict.damage.append(f"{name}: not written as `alems evidence` writes it")
    manifest, figures = parsed
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NoEvidence(f"{path}: its format is not {FORMAT}; verify it with the version of alems that made it")
    if not (_is_manifest(manifest) and _are_figures(figures)):
        raise NoEvidence(f"{path}: {MANIFEST} or {FIGURES} has not the form of {FORMAT}")
    return manifest, figures


def _is_manifest(manifest: Mapping[str, Json]) -> bool:
    runs, files, versions = (manifest.get(name) for name in ("runs", "files", "versions"))
    return (
        isinstance(runs, dict)
        and all(_SCHEMA.fullmatch(schema) and isinstance(ids, list) for schema, ids in runs.items())
        and all(type(id_) is str for ids in runs.values() for id_ in ids)
        and isinstance(versions, dict)
        and isinstance(files, dict)
        and all(isinstance(one, dict) and {"bytes", "sha256"} <= one.keys() for one in files.values())
    )


def _are_figures(figures: Json) -> bool:
    return (
        isinstance(figures, dict)
        and all(map(_figure_of, figures))
        and all(isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in figures.values())
    )


def _hold_to_manifest(manifest: Mapping[str, Json], members: Mapping[str, bytes], verdict: Verdict) -> None:
    files = manifest["files"]
    damaged = {line.partition(":")[0] for line in verdict.damage}
    for name in sorted((files.keys() | members.keys()) - {MANIFEST} - damaged):
        if name not in members:
            verdict.damage.append(f"{name}: missing, the manifest lists it")
        elif name not in files:
            verdict.damage.append(f"{name}: not in the manifest")
        elif _described(members[name]) != files[name]:
            verdict.damage.append(f"{name}: its bytes are not those that the manifest gives the hash of")


def _hold_to_archive(path: Path, members: Mapping[str, bytes], verdict: Verdict) -> None:
    """Between the members too every byte is as `alems evidence` writes it: nothing is hidden there."""
    written = io.BytesIO()
    _write(written, members)
    there, expected = path.read_bytes(), written.getvalue()
    if there == expected:
        return
    at = next(
        (n for n, (a, b) in enumerate(zip(there, expected, strict=False)) if a != b), min(len(there), len(expected))
    )
    with zipfile.ZipFile(written) as archive:
        before = [info.filename for info in archive.infolist() if info.header_offset <= at < archive.start_dir]
    place = f"in the header of {before[-1]}" if before else "in the archive's directory"
    verdict.damage.append(f"byte {at}, {place}: not as it was written")


def _computed_anew(members: Mapping[str, bytes], named: Runs) -> Figures:
    """The figures from the landing files alone, in a warehouse that is made for it."""
    with tempfile.TemporaryDirectory(prefix="alems-evidence-") as folder:
        warehouse = Warehouse(folder)
        for name, data in members.items():
            if name.startswith("landing/"):
                place = warehouse.home / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
        with warehouse.write() as con:
            plan = build.plan(warehouse, con)
        build.build_days(warehouse, plan.days)
        with warehouse.write() as con:
            build.build_tables(con, warehouse, [file for file in _files_needed(named) if file.layer != "day"])
            return _figures(con, named)


def _differences(given: Figures, computed: Figures) -> list[str]:
    """What differs, a line per figure. Equal are equal values, and floats but for their last digits."""
    found = []
    for table in sorted(given.keys() | computed.keys(), key=_place_of):
        ours, theirs = (_by_key(rows.get(table, []), table) for rows in (computed, given))
        if (n_twice := len(given.get(table, [])) - len(theirs)) > 0:
            found.append(f"{table}: {n_twice} more row(s) in the bundle than there are keys")
        for key in sorted(ours.keys() | theirs.keys()):
            name = f"{table} {key}"
            if key not in ours or key not in theirs:
                found.append(f"{name}: {'not computed' if key not in ours else 'not in the bundle'}")
                continue
            for column in sorted(ours[key].keys() | theirs[key].keys()):
                one, other = theirs[key].get(column, "no such column"), ours[key].get(column, "no such column")
                if not _equal(one, other):
                    found.append(f"{name}, {column}: {_shown(one)} in the bundle, {_shown(other)} computed")
    return found


def _by_key(rows: Iterable[dict[str, Json]], table: str) -> dict[str, dict[str, Json]]:
    figure = _figure_of(table)
    assert figure is not None, "the form of a bundle has been checked"
    return {" and ".join(str(row.get(name)) for name in figure.key): row for row in rows}


def _place_of(table: str) -> tuple[str, int]:
    """By system, and there in the order of TABLES."""
    schema, _, name = table.rpartition(".")
    return schema, list(TABLES[_family(schema or "main")]).index(name)


def _equal(one: Json, other: Json) -> bool:
    if isinstance(one, float) and isinstance(other, float | int) and not isinstance(other, bool):
        return math.isclose(one, other, rel_tol=EQUAL)
    return type(one) is type(other) and bool(one == other)


def _shown(value: Json) -> str:
    return "NULL" if value is None else str(value)
