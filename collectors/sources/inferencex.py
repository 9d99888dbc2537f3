"""Drops artifacts of LLM serving benchmarks (InferenceX): results, evaluations, statistics, logs and change notes.

Rows land as they are; names are resolved in the pipeline, so that a new alias needs no second collection. Which
workflow run a file belongs to is what the caller says, else the run's own description (`gh api …/actions/runs/ID` as
run.json, or the backup's artifacts_metadata.json) in its folder or one above, else the id at the end of a folder's
name (`…_29003473063`), else the commit that a collection names, else the name of what was given.
"""

import hashlib
import json
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final

from collectors.contract import FIRST_DAY
from collectors.contract_inference import INFERENCE_ARTIFACTS, INFERENCE_REJECTS
from collectors.drop import Drop, drop_rows
from collectors.sources.artifact_files import ArtifactFiles, Document, Limits, printable
from collectors.sources.artifact_json import MAX_ROW_BYTES, NoRow, Twice, read_document, row_text
from collectors.sources.source_state import load_source_state
from collectors.sources.usage_times import NoTime, utc_time

SOURCE_SYSTEM: Final = "inferencex"
PRODUCER: Final = "alems-collect inferencex"
SUFFIXES: Final = frozenset({".json", ".log", ".out"})
LOG_SUFFIXES: Final = (".log", ".out")
RUN_FILES: Final = frozenset({"run.json", "workflow_run.json", "artifacts_metadata.json"})
EVAL_META: Final = "meta_env.json"
NOT_RUNS: Final = ("bmk_", "results_", "run-stats", "run_stats", "eval_", "changelog", "server_logs", "multinode_")
"""Artifacts end in the artifact's id, not the run's."""
RUN_ID: Final = re.compile(r"(?:^|_)([0-9]{10,18})$")
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ATTEMPT: Final = re.compile(r"attempt[_-]?([0-9]{1,4})$")
BENCHMARK_FIELDS: Final = ("hw", "isl", "conc", "users", "tput_per_gpu", "infmax_model_prefix")
MAX_DETAIL: Final = 4_000
BYTES_AT_ONCE: Final = 64 * 1024**2
ROWS_OF_A_FILE: Final = 200_000  # at most: some hundred sweeps
REJECTS_AT_ONCE: Final = 2_000
REJECTS_OF_A_FILE: Final = 100  # that are kept; the others are only counted

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller knows: the workflow run, and of files that do not say it on what they ran."""

    run_id: int | None = None
    attempt: int | None = None
    created_at: datetime | None = None
    producer: Mapping[str, object] = field(default_factory=dict)  # hw, framework, precision, model, tp, …


@dataclass(frozen=True, slots=True)
class Run:
    """The workflow run that a row belongs to."""

    name: str
    github_run_id: int | None
    attempt: int
    created_at: datetime
    is_dated: bool  # else the time is the file's


@dataclass(slots=True)
class ArtifactsSummary:
    """What one collection did."""

    rows: Counter[str] = field(default_factory=Counter)  # kind -> rows dropped
    unchanged: int = 0  # files that have been dropped before
    others: int = 0  # files of other kinds, left alone
    rejected: Counter[str] = field(default_factory=Counter)  # reason -> files or rows
    files: list[Path] = field(default_factory=list)
    unnamed: set[str] = field(default_factory=set)  # run names that were made up


@dataclass(frozen=True, slots=True)
class _Hint:
    """What a description of the run, or a name, says."""

    run_id: int | None = None
    attempt: int | None = None
    created_at: datetime | None = None


def collect(
    paths: Iterable[Path],
    landing: Path,
    told: Told | None = None,
    *,
    now: datetime | None = None,
    limits: Limits | None = None,
) -> ArtifactsSummary:
    """Drop what is new in files, folders and ZIPs. Raises OSError where a path cannot be read, DropFailed."""
    collection = _Collection(landing, told or Told(), now or datetime.now(UTC), limits or Limits())
    for path in paths:
        collection.add(path)
    return collection.finish()


class _Collection:
    def __init__(self, landing: Path, told: Told, now: datetime, limits: Limits) -> None:
        self.landing = landing
        self.told = told
        self.now = now
        self.limits = limits
        self.state = load_source_state(landing, SOURCE_SYSTEM, "artifacts")
        self.summary = ArtifactsSummary()
        self.options = json.dumps(dict(told.producer), sort_keys=True) if told.producer else None
        self.rejects: list[Row] = []
        self.drops: dict[date, Drop] = {}
        self.pending: dict[date, list[Row]] = {}
        self.pending_bytes: Counter[date] = Counter()
        # Of the path being read
        self.root = ""
        self.prefix = ""
        self.hints: dict[PurePosixPath, _Hint] = {}
        self.metas: dict[PurePosixPath, object] = {}

    def add(self, path: Path) -> None:
        self.root = printable(path.resolve().name)
        self.prefix = f"{self.root}/" if path.is_dir() else ""
        self.hints, self.metas = {}, {}
        files = ArtifactFiles(path, SUFFIXES, self._refuse, RUN_FILES | {EVAL_META}, self.limits)
        for document in files.documents():
            if document.path.suffix.lower() in LOG_SUFFIXES:
                self._take(document, [("server_log", 0, _log_text(document), None)])
                continue
            try:
                content = read_document(document.data)
                if isinstance(content, list) and len(content) > ROWS_OF_A_FILE:
                    raise NoRow(f"more than {ROWS_OF_A_FILE:,} rows; give it in parts")
            except NoRow as reason:
                self._refuse(str(document.path), str(reason), _excerpt(document.data))
                continue
            self._take(document, self._rows(document.path, content))
        self.summary.others += files.n_others

    def finish(self) -> ArtifactsSummary:
        for day in self.pending:
            self._write(day)
        for drop in self.drops.values():
            self._note(drop.flush())
        self._drop_rejects()
        self.state.save()
        return self.summary

    # ---- rows ----------------------------------------------------------------------------------------------------

    def _rows(self, path: PurePosixPath, content: object) -> Iterator[tuple[str, int, object, Row | None]]:
        """Kind, position, value and, of a collection of artifacts, the entry that holds it."""
        if isinstance(content, Twice):
            yield "", 0, content, None
        elif path.name in RUN_FILES:
            yield from self._description(path, content)
        elif path.name == EVAL_META:
            self.metas[path.parent] = content
        elif isinstance(content, dict) and _is_collection(content):
            for index, entry in enumerate(content["rows"]):
                value = entry["data"]
                yield _kind(value), index, value, entry
        elif isinstance(content, list):
            for index, value in enumerate(content):
                yield _kind(value), index, value, None
        elif _kind(content) == "run_stats" and isinstance(content, dict) and _is_clean(content):
            for index, (hardware, counts) in enumerate(content.items()):
                yield "run_stats", index, {**counts, "hardware": hardware}, None
        elif _kind(content) == "eval" and path.parent in self.metas:
            yield "eval", 0, {"meta": self.metas[path.parent], "results": content}, None
        else:
            yield _kind(content), 0, content, None

    def _description(self, path: PurePosixPath, content: object) -> Iterator[tuple[str, int, object, Row | None]]:
        """The run that a file describes: it counts for its folder and all below."""
        run: Row = {}
        if isinstance(content, dict):
            run = content
        elif isinstance(content, list) and content and isinstance(content[0], dict):
            inner = content[0].get("workflow_run")
            run = {"created_at": content[0].get("created_at"), **(inner if isinstance(inner, dict) else {})}
        run_id = run.get("id")
        if not isinstance(run_id, int) or isinstance(run_id, bool) or not 0 < run_id < 2**63:
            self._refuse(str(path), "no description of a workflow run: no id; give the answer of GitHub's API", "")
            return
        attempt = run.get("run_attempt")
        self.hints[path.parent] = _Hint(
            run_id, attempt if isinstance(attempt, int) and attempt > 0 else None, _time(run.get("created_at"))
        )
        yield "workflow_run", 0, run, None

    def _take(self, document: Document, rows: Iterable[tuple[str, int, object, Row | None]]) -> None:
        """Drop the rows of a file that has changed since it was dropped."""
        what = hashlib.sha256(document.data).hexdigest()
        is_news: dict[Run, bool] = {}
        n_refused = 0
        for kind, index, value, entry in rows:
            path = document.path if entry is None else PurePosixPath(printable(str(entry["path"])))
            run = self._run(path, document, entry)
            if run not in is_news:
                key = _key(str(document.path), run.name, run.attempt)
                is_news[run] = self._is_news(key, f"{what} {self.options} {run.created_at if run.is_dated else None}")
                self.summary.unchanged += not is_news[run]
            if not is_news[run]:
                continue
            try:
                raw = _raw(kind, value)
            except NoRow as reason:
                n_refused += 1
                if n_refused <= REJECTS_OF_A_FILE:
                    self._refuse(str(path), str(reason), _excerpt(value), index)
                continue
            self._keep(kind, index, raw, str(path), run)
        if n_refused > REJECTS_OF_A_FILE:
            self._refuse(str(document.path), f"{n_refused} rows refused, the first {REJECTS_OF_A_FILE} are kept")

    def _keep(self, kind: str, index: int, raw: str, path: str, run: Run) -> None:
        day = run.created_at.date()
        if not FIRST_DAY <= day <= self.now.date() + timedelta(days=1):
            day = self.now.date()
        is_told = kind == "benchmark" and self.options is not None
        self.pending.setdefault(day, []).append(
            {
                "source_system": SOURCE_SYSTEM,
                "recorded_at": self.now,
                "kind": kind,
                "run_name": run.name,
                "github_run_id": run.github_run_id,
                "run_attempt": run.attempt,
                "created_at": run.created_at,
                "artifact_path": path,
                "row_index": index,
                "options_json": self.options if is_told else None,
                "raw_sha256": hashlib.sha256(raw.encode()).hexdigest(),
                "raw": raw,
            }
        )
        self.summary.rows[kind] += 1
        self.pending_bytes[day] += len(raw)
        if self.pending_bytes[day] >= BYTES_AT_ONCE:
            self._write(day)
            self._note(self.drops[day].flush())

    def _write(self, day: date) -> None:
        rows, self.pending[day] = self.pending[day], []
        self.pending_bytes[day] = 0
        if not rows:
            return
        if day not in self.drops:
            self.drops[day] = Drop(
                self.landing,
                INFERENCE_ARTIFACTS,
                host=socket.gethostname(),
                producer=PRODUCER,
                date=day,
            )
        self._note(self.drops[day].append({name: [row[name] for row in rows] for name in rows[0]}))

    def _note(self, path: Path | None) -> None:
        if path is not None:
            self.summary.files.append(path)
            self.state.last_files = [str(path.relative_to(self.landing))]

    def _is_news(self, key: str, what: str) -> bool:
        digest = hashlib.sha256(what.encode()).hexdigest()[:16]
        before = self.state.records.get(key)
        self.state.records[key] = digest
        return before != digest

    def _drop_rejects(self) -> None:
        """A reject is dropped once, as a row is."""
        news = [row for row in self.rejects if self._is_news(_key("reject", *_reject_key(row)), str(row["detail"]))]
        self.rejects = []
        host, today = socket.gethostname(), self.now.date()
        self._note(drop_rows(self.landing, INFERENCE_REJECTS, news, host=host, producer=PRODUCER, date=today))

    def _refuse(self, path: str, reason: str, detail: str = "", row_index: int | None = None) -> None:
        self.summary.rejected[reason] += 1
        self.rejects.append(
            {
                "source_system": SOURCE_SYSTEM,
                "recorded_at": self.now,
                "artifact_path": f"{self.prefix}{path}",
                "row_index": row_index,
                "reason": reason,
                "detail": detail[:MAX_DETAIL] or None,
            }
        )
        if len(self.rejects) >= REJECTS_AT_ONCE:
            self._drop_rejects()

    # ---- the workflow run ----------------------------------------------------------------------------------------

    def _run(self, path: PurePosixPath, document: Document, entry: Row | None) -> Run:
        hint = self._hint(document.path)
        named = _named(PurePosixPath(self.root) / path)
        run_id = self.told.run_id or hint.run_id or named.run_id
        attempt = self.told.attempt or hint.attempt or named.attempt or 1
        commit = entry.get("commit") if entry is not None else None
        dated = _time(entry.get("date")) if entry is not None else None
        known = self.told.created_at or hint.created_at or dated
        created_at = known or document.modified
        if run_id is not None:
            name = str(run_id)
        elif isinstance(commit, str) and commit:
            name = f"commit {printable(commit)}"
        else:
            name = self.root
            self.summary.unnamed.add(name)
        return Run(name, run_id, attempt, created_at, known is not None)

    def _hint(self, path: PurePosixPath) -> _Hint:
        return next((self.hints[folder] for folder in path.parents if folder in self.hints), _Hint())


def _named(path: PurePosixPath) -> _Hint:
    """What the names of the folders and ZIPs around a file say, the innermost counting."""
    hint = _Hint()
    for name in path.parts[:-1]:
        stem = name.removesuffix(".zip")
        if not stem.startswith(NOT_RUNS) and (match := RUN_ID.search(stem)):
            hint = replace(hint, run_id=int(match[1]))
        if match := ATTEMPT.search(stem):
            hint = replace(hint, attempt=int(match[1]) or None)
    return hint


# ---- what a value is -------------------------------------------------------------------------------------------------


def _is_collection(content: Row) -> bool:
    """Artifacts of several paths in one file: {"rows": [{"path", "data", …}, …]}."""
    rows = content.get("rows")
    return isinstance(rows, list) and all(isinstance(row, dict) and {"path", "data"} <= row.keys() for row in rows)


def _kind(value: object) -> str:
    """What a value is; '' where it is nothing that is known."""
    if not isinstance(value, dict):
        return ""
    if {"base_ref", "head_ref"} <= value.keys():
        return "changelog"
    if isinstance(value.get("results"), dict) and (value.keys() & {"lm_eval_version", "n-samples", "versions"}):
        return "eval"
    if "task" in value and (value.keys() & {"hw", "model", "score", "em_strict", "em_flexible"}):
        return "eval_aggregate"
    if value and all(isinstance(v, dict) and {"n_success", "total"} <= v.keys() for v in value.values()):
        return "run_stats"
    is_producer = any(key.endswith("_ms") for key in value) and not value.get("hw")
    return "benchmark" if is_producer or any(name in value for name in BENCHMARK_FIELDS) else ""


def _is_clean(value: object) -> bool:
    try:
        row_text(value)
    except NoRow:
        return False
    return True


def _raw(kind: str, value: object) -> str:
    """What is kept of a row. Raises NoRow where it is refused."""
    if kind == "server_log":
        text = str(value)
        if len(text) > MAX_ROW_BYTES:
            raise NoRow(f"a log of more than {MAX_ROW_BYTES:,} characters; cut it")
        return text
    raw = row_text(value)
    if not kind:
        raise NoRow("no artifact that is known: neither result, evaluation, statistics nor changes")
    if kind == "eval" and not (isinstance(value, dict) and isinstance(value.get("meta"), dict)):
        raise NoRow(f"an evaluation without an object {EVAL_META} beside it, which says on what it ran; give both")
    return raw


def _log_text(document: Document) -> str:
    return document.data.decode("utf-8", errors="replace").replace("\x00", "�")


def _time(value: object) -> datetime | None:
    """A time of GitHub's, or a day; None where it is neither."""
    text = value if isinstance(value, str) else ""
    try:
        return utc_time(f"{text}T00:00Z" if DAY.fullmatch(text) else text)
    except NoTime:
        return None


def _excerpt(value: object) -> str:
    if isinstance(value, bytes):
        return value[:MAX_DETAIL].decode(errors="replace").replace("\x00", "�")
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except (RecursionError, ValueError):
        text = ""
    return text[:MAX_DETAIL].encode(errors="replace").decode().replace("\x00", "�")


def _reject_key(row: Row) -> tuple[object, ...]:
    return row["artifact_path"], row["row_index"], row["reason"]


def _key(*parts: object) -> str:
    return "\x1f".join("" if part is None else str(part) for part in parts)
