"""Drops artifacts of LLM serving benchmarks (InferenceX): results, evaluations, statistics, logs and change notes.

Rows land as they are; names are resolved in the pipeline, so that a new alias needs no second collection. Which
workflow run a file belongs to is what the caller says, else the run's own description (`gh api …/actions/runs/ID` as
run.json, or the backup's artifacts_metadata.json) in its folder or one above, else the id at the end of a folder's
name (`…_29003473063`), else the commit that a collection names, else the name of what was given and of its folder.

A file is known by its path on this host, whatever folder above it was given and whichever run it belongs to. Changed,
it lands again as a whole, and only its newest content counts: it is withdrawn from runs that it does not name any more,
but not from a run that the caller or a folder named, since CI uses one path for one run after another.
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
from typing import Any, Final, TypeGuard

from collectors.contract import FIRST_DAY
from collectors.contract_inference import INFERENCE_ARTIFACTS, INFERENCE_REJECTS, MAX_ATTEMPT
from collectors.drop import Drop, drop_rows
from collectors.sources.artifact_files import ArtifactFiles, Document, Limits, printable
from collectors.sources.artifact_json import MAX_ROW_BYTES, NoRow, Twice, read_document, row_text
from collectors.sources.inference_state import (
    HeldDocument,
    HeldRun,
    RunKey,
    known_as,
    load_inference_state,
    shown_path,
)
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
MAX_JOBS: Final = 1_000_000  # of one kind of runner in one run
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
    is_made_up: bool  # nothing names it

    @property
    def key(self) -> RunKey:
        return self.name, self.attempt


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
    given = list(paths)
    for path in given:
        path.stat()  # before anything is read: a path that is not there leaves nothing half done
    for path in given:
        collection.add(path)
    return collection.finish()


class _Collection:
    def __init__(self, landing: Path, told: Told, now: datetime, limits: Limits) -> None:
        self.landing = landing
        self.told = told
        self.now = now
        self.limits = limits
        self.state = load_inference_state(landing, SOURCE_SYSTEM)
        self.summary = ArtifactsSummary()
        self.options = json.dumps(dict(told.producer), sort_keys=True) if told.producer else None
        self.rejects: list[Row] = []
        self.drops: dict[date, Drop] = {}
        self.pending: dict[date, list[Row]] = {}
        self.pending_bytes: Counter[date] = Counter()
        self.seen: set[str] = set()  # documents: one may be given twice, by itself and by a folder above it
        # Of the path being read
        self.root = ""
        self.folder = Path()  # where paths within it begin
        self.older = PurePosixPath()  # how that was called before documents were known by their whole path
        self.made_up = ""  # name of a run that nothing names
        self.prefix = ""
        self.hints: dict[PurePosixPath, _Hint] = {}
        self.metas: dict[PurePosixPath, tuple[object, str]] = {}  # folder -> what its EVAL_META says, and its SHA-256

    def add(self, path: Path) -> None:
        self.root = printable(path.resolve().name)
        self.folder = path if path.is_dir() else path.resolve().parent
        self.older = shown_path(path) if path.is_dir() else shown_path(path).parent
        self.made_up = known_as(path)
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
            self._take(document, self._rows(document, content))
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

    def _rows(self, document: Document, content: object) -> Iterator[tuple[str, int, object, Row | None]]:
        """Kind, position, value and, of a collection of artifacts, the entry that holds it."""
        path = document.path
        if isinstance(content, Twice):
            yield "", 0, content, None
        elif path.name in RUN_FILES:
            yield from self._description(path, content)
        elif path.name == EVAL_META:
            self.metas[path.parent] = content, hashlib.sha256(document.data).hexdigest()
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
            yield "eval", 0, {"meta": self.metas[path.parent][0], "results": content}, None
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
        attempt, created_at = run.get("run_attempt"), run.get("created_at")
        if not (attempt is None or _is_count(attempt, 1, MAX_ATTEMPT)):
            self._refuse(str(path), f"run_attempt is none of 1 … {MAX_ATTEMPT:,}; give --attempt", str(attempt))
            attempt = None
        known = self._time(created_at)
        if created_at is not None and known is None:
            self._refuse(str(path), f"created_at is no time from {FIRST_DAY} to now; give --date", str(created_at))
        self.hints[path.parent] = _Hint(run_id, attempt, known)
        yield "workflow_run", 0, run, None

    def _take(self, document: Document, found: Iterable[tuple[str, int, object, Row | None]]) -> None:
        """Drop the rows of a document that has changed since it was dropped, and withdraw what it had in other runs."""
        rows = list(found)  # first of all: a description of the run counts for its own file, too
        name = known_as(self.folder, document.path)
        outer = self._run(document.path, document, None)
        before = self.state.documents.get(name, HeldDocument(""))
        digest = self._digest(document, rows, outer)
        if name in self.seen or before.digest == digest:
            self.seen.add(name)
            self.summary.unchanged += bool(rows)
            self.summary.unnamed.update(run.name for run in before.runs if run.name == self.made_up)
            return
        self.seen.add(name)
        held: dict[RunKey, HeldRun] = {}
        n_refused = 0
        for kind, index, value, entry in rows:
            path = document.path if entry is None else PurePosixPath(printable(str(entry["path"])))
            try:
                raw = _raw(kind, value)
            except NoRow as reason:
                n_refused += 1
                if n_refused <= REJECTS_OF_A_FILE:
                    self._refuse(str(path), str(reason), _excerpt(value), index, document)
                continue
            run = self._run(path, document, entry)
            if run.is_made_up:
                self.summary.unnamed.add(run.name)
            is_told = run.github_run_id is not None and run.github_run_id == outer.github_run_id
            held[run.key] = HeldRun(run.name, run.attempt, run.github_run_id, run.created_at, is_told)
            self._keep(kind, index, raw, name, path, held[run.key])
        if n_refused > REJECTS_OF_A_FILE:
            self._refuse(str(document.path), f"{n_refused} rows refused, the first {REJECTS_OF_A_FILE} are kept")
        left = [run for run in before.runs if run.key not in held]
        stay = self._withdraw(left, outer, name, document)
        self.state.documents[name] = HeldDocument(digest, [*held.values(), *stay])
        older = str(self.older / document.path)
        if older in self.state.documents:
            self._withdraw(self.state.documents.pop(older).runs, outer, older, document)

    def _withdraw(self, runs: list[HeldRun], outer: Run, name: str, document: Document) -> list[HeldRun]:
        """Say that a document has no rows in these runs any more; gives those in which what it had still counts."""
        stay = [run for run in runs if run.is_told and run.key != outer.key]  # it was another file of the same path
        for run in runs:
            if run not in stay:
                self._keep("withdrawn", 0, "{}", name, document.path, run)
        return stay

    def _digest(self, document: Document, rows: list[tuple[str, int, object, Row | None]], outer: Run) -> str:
        """A hash of all that the rows of a document follow from."""
        what = hashlib.sha256(document.data).hexdigest()
        is_eval = any(kind == "eval" for kind, _, _, _ in rows)
        meta = self.metas[document.path.parent][1] if is_eval and document.path.parent in self.metas else None
        created_at = outer.created_at if outer.is_dated else None
        return _hash(_key(what, meta, self.options, self.root, outer.name, outer.attempt, created_at))

    def _keep(self, kind: str, index: int, raw: str, name: str, path: PurePosixPath, run: HeldRun) -> None:
        day = run.created_at.date()
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
                "document_path": name,
                "artifact_path": str(path),
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

    def _is_news(self, reject: Row) -> bool:
        key, digest = _key(*_reject_key(reject)), _hash(str(reject["detail"]))
        before = self.state.rejects.get(key)
        self.state.rejects[key] = digest
        return before != digest

    def _drop_rejects(self) -> None:
        """A reject is dropped once, as a row is."""
        news = [row for row in self.rejects if self._is_news(row)]
        self.rejects = []
        host, today = socket.gethostname(), self.now.date()
        self._note(drop_rows(self.landing, INFERENCE_REJECTS, news, host=host, producer=PRODUCER, date=today))

    def _refuse(
        self,
        path: str,
        reason: str,
        detail: str = "",
        row_index: int | None = None,
        document: Document | None = None,
    ) -> None:
        self.summary.rejected[reason] += 1
        self.rejects.append(
            {
                "source_system": SOURCE_SYSTEM,
                "recorded_at": self.now,
                "document_path": known_as(self.folder, PurePosixPath(path) if document is None else document.path),
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
        dated = self._time(entry.get("date")) if entry is not None else None
        known = self.told.created_at or hint.created_at or dated
        # A file's time may be anything; what no day can hold is as good as none.
        created_at = known or (document.modified if self._can_be(document.modified) else self.now)
        if run_id is not None:
            name = str(run_id)
        elif isinstance(commit, str) and commit:
            name = f"commit {printable(commit)}"
        else:
            name = self.made_up
        is_made_up = run_id is None and name == self.made_up
        return Run(name, run_id, attempt, created_at, known is not None, is_made_up)

    def _time(self, value: object) -> datetime | None:
        """A time of GitHub's, or a day; None where it is neither, or no time at which such a run can have been."""
        text = value if isinstance(value, str) else ""
        try:
            time = utc_time(f"{text}T00:00Z" if DAY.fullmatch(text) else text)
        except (NoTime, OverflowError):  # the latter at the ends of the calendar
            return None
        return time if self._can_be(time) else None

    def _can_be(self, time: datetime) -> bool:
        return FIRST_DAY <= time.date() <= self.now.date() + timedelta(days=1)

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
    if kind == "run_stats" and isinstance(value, dict) and not _are_counts(value["n_success"], value["total"]):
        raise NoRow(f"n_success and total must be whole numbers, 0 ≤ n_success ≤ total ≤ {MAX_JOBS:,}; mend the job")
    if kind == "eval" and not (isinstance(value, dict) and isinstance(value.get("meta"), dict)):
        raise NoRow(f"an evaluation without an object {EVAL_META} beside it, which says on what it ran; give both")
    return raw


def _are_counts(n_success: object, total: object) -> bool:
    return _is_count(total, 0, MAX_JOBS) and _is_count(n_success, 0, total)


def _is_count(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _log_text(document: Document) -> str:
    return document.data.decode("utf-8", errors="replace").replace("\x00", "�")


def _excerpt(value: object) -> str:
    if isinstance(value, bytes):
        return value[:MAX_DETAIL].decode(errors="replace").replace("\x00", "�")
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except (RecursionError, ValueError):
        text = ""
    return text[:MAX_DETAIL].encode(errors="replace").decode().replace("\x00", "�")


def _reject_key(row: Row) -> tuple[object, ...]:
    return row["document_path"], row["artifact_path"], row["row_index"], row["reason"]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _key(*parts: object) -> str:
    return "\x1f".join("" if part is None else str(part) for part in parts)
