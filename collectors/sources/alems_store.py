"""Drops the content of an existing A-LEMS SQLite store: all its tables, its own ids kept as source ids.

The store is never modified. Counters land as read, A-LEMS's own results in the reported_* columns, and the zeros that
it writes for want of a source become NULL (alems_values.py). Large tables are read page by page.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from collectors import contract, contract_outcomes
from collectors.dataset import B, Dataset, I, R, T
from collectors.ids import exp_key, run_key, stable_id, utc_from_ns
from collectors.sources.alems_values import (
    CPU_SAMPLE_ZERO_IS_MISSING,
    RAPL_NAMES,
    RAPL_RANGE_UJ,
    RUN_RESULTS,
    Misfit,
    Row,
    fit,
    hardware_hash,
    rapl_domains,
    results_json,
    utc_time,
    without_false_zeros,
)
from collectors.sources.day_writer import DayWriter
from collectors.sources.sqlite_file import SqliteFile, StoreUnreadable, open_unchanged
from collectors.state_file import load_state, record_hash, save_state, state_folder, state_path

SOURCE_SYSTEM: Final = "alems-store"

NEEDED_OF_RUNS: Final = ("run_id", "exp_id", "workflow_type", "start_time_ns", "end_time_ns")

RECORD_TABLES: Final = {
    "hardware_config": contract.HARDWARE_CONFIG,
    "environment_config": contract.ENVIRONMENT_CONFIG,
    "idle_baselines": contract.IDLE_BASELINES,
    "experiments": contract.EXPERIMENTS,
    "runs": contract.RUNS,
    "orchestration_tax_summary": contract.REPORTED_TAX,
    "task_categories": contract.TASK_CATEGORIES,
}
OUTCOME_TABLES: Final = {dataset.name: dataset for dataset in contract_outcomes.OUTCOME_DATASETS}
"""Tables that A-LEMS has from a later version on, and fills where somebody judges its answers or tags its runs."""
RUN_TABLES: Final = {
    "orchestration_events": contract.ORCHESTRATION_EVENTS,
    "llm_interactions": contract.LLM_INTERACTIONS,
    "energy_samples": contract.ENERGY_SAMPLES,
    "cpu_samples": contract.CPU_SAMPLES,
    "interrupt_samples": contract.INTERRUPT_SAMPLES,
    "thermal_samples": contract.THERMAL_SAMPLES,
}
TABLES: Final = {**RECORD_TABLES, **OUTCOME_TABLES, **RUN_TABLES}
"""A-LEMS's tables and the datasets to which they go; the last kind's rows belong to runs and only ever grow."""

MADE_HERE: Final = {"run_key", "package_index", "source_interaction_id"}
ID_COLUMNS: Final = {
    *("run_id", "exp_id", "hw_id", "env_id", "sample_id", "event_id", "interaction_id"),
    *("comparison_id", "linear_run_id", "agentic_run_id"),
    *("exec_id", "attempt_id", "id", "tag_id", "hypothesis_id", "key_run_id", "key_exp_id"),
}
KEPT_AS_JSON: Final = {"runs": "reported_json", "orchestration_events": "detail_json"}
OWN_RESULTS: Final = {
    "runs": RUN_RESULTS,
    "orchestration_events": {"duration_ns", "event_energy_uj", "tax_contribution_uj", "tax_percent"},
    "query_execution": {"total_energy_uj"},
}

PAGE_ROWS: Final = 50_000
WIDE_PAGE_ROWS: Final = 1_000  # of tables whose rows hold prompts or a hundred columns
MAX_LEFT_OUT: Final = 1_000

Record: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, tuple[Any, ...]]
_Dated: TypeAlias = tuple[dt.date, Record]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a table, the rows read of it and, by its row ids, about how many there are to read."""


class NotAnAlemsStore(StoreUnreadable):
    """An SQLite file, but not one of A-LEMS."""


@dataclass(slots=True)
class ImportSummary:
    """What one import did."""

    path: Path
    host: str
    rows: dict[str, int]  # dataset -> rows dropped; 0 where nothing was new
    files: list[Path]
    notes: list[str]  # what was left out or not understood, and why; one line each


@dataclass(frozen=True, slots=True)
class _Hardware:
    hw_id: int | None
    host: str
    domains: frozenset[str]  # RAPL domains present, of pkg, core, uncore, dram


@dataclass(slots=True)
class _State:
    """What has been dropped of one store; times of the drop excluded, so that an unchanged record is recognised."""

    store: str
    run_keys: dict[str, int] = field(default_factory=dict)  # source run id -> run_key
    left_out: list[int] = field(default_factory=list)  # run ids whose rows could not be dropped: no such (whole) run
    last_rowid: dict[str, int] = field(default_factory=dict)  # table -> rows up to here have been dropped
    records: dict[str, dict[str, str]] = field(default_factory=dict)  # dataset -> key -> hash of the record
    last_files: list[str] = field(default_factory=list)  # files of the last import that dropped any


@dataclass(frozen=True, slots=True)
class _Run:
    key: int
    date: dt.date
    exp_id: Any
    env_id: Any
    hardware: _Hardware


def import_store(path: Path, landing: Path, *, progress: Progress | None = None) -> ImportSummary:
    """Drop what is in the store and has not been dropped from it before. Raises StoreUnreadable, DropFailed."""
    with open_unchanged(path, scratch=state_folder(landing)) as store:
        return _Import(store, landing, progress or (lambda table, done, total: None)).run()


class _Import:
    """One import of one store. `run()` reads top-down; what it learns on the way stands in attributes."""

    def __init__(self, store: SqliteFile, landing: Path, progress: Progress) -> None:
        self.store = store
        self.landing = landing
        self.progress = progress
        self.now = dt.datetime.now(dt.UTC)
        self.notes: list[str] = []
        self.misfits: Counter[str] = Counter()  # what does not fit -> values taken as NULL
        self.skipped: Counter[str] = Counter()  # what is missing -> rows left out
        self.columns = _tables(store)
        # Limits before all else: rows that a measuring A-LEMS adds from here on are for the next import.
        self.limits = {table: store.last_rowid(table) for table in TABLES if table in self.columns}
        self._note_the_unknown()
        self._read_hardware()
        self.experiments = {row.get("exp_id"): row for row in self._rows("experiments")}
        self.environments: dict[Any, int] = {}  # the store's env_id -> ours
        self.baseline_hardware: dict[Any, _Hardware] = {}
        self.query_runs: dict[tuple[str, Any], _Run | None] = {}  # table and id of a query or attempt -> its run
        self.runs = dict(self._usable_runs())
        self.first_dates = self._first_dates()
        whole_path = str(store.path.resolve())
        self.state_path = state_path(landing, store.path.stem, whole_path)
        self.old = self._old_state()
        self.state = _State(
            store=whole_path,
            run_keys={str(run_id): run.key for run_id, run in self.runs.items()},
            last_rowid={table: limit for table, limit in self.limits.items() if table in RUN_TABLES},
        )
        self.writer = DayWriter(landing, self.host, SOURCE_SYSTEM)
        self.writer.rows.update({dataset.name: 0 for dataset in TABLES.values()})

    def run(self) -> ImportSummary:
        # In this order: experiments and runs name environments by the ids given to them first.
        self._drop_records("environment_config", self._environment_record)
        self._drop_records("hardware_config", self._hardware_record)
        self._drop_records("idle_baselines", self._baseline_record)
        self._drop_records("experiments", self._experiment_record)
        self._drop_records("runs", self._run_record)
        self._drop_records("orchestration_tax_summary", self._tax_record)
        self._drop_records("task_categories", self._category_record)
        # In this order: an attempt belongs to the run of its query, a judgement to that of its attempt.
        self._drop_records("query_execution", self._execution_record)
        self._drop_records("query_attempt", self._attempt_record)
        self._drop_records("hallucination_events", self._hallucination_record)
        self._drop_records("tags", self._tag_record)
        self._drop_records("hypotheses", self._hypothesis_record)
        lookup = _RunLookup(self.runs)
        for table in RUN_TABLES:
            self._drop_rows_of_runs(table, lookup)
        self.writer.flush()
        self.state.last_files = [str(f.relative_to(self.landing)) for f in self.writer.files] or self.old.last_files
        try:
            save_state(self.state_path, asdict(self.state))
        except OSError as error:
            self.notes.append(f"what was dropped could not be noted ({error}): the next import drops it again")
        notes = [
            *self.notes,
            *(f"{what}: {n} value(s) taken as NULL" for what, n in self.misfits.items()),
            *(f"{what}: {n} row(s) left out" for what, n in self.skipped.items()),
        ]
        return ImportSummary(self.store.path, self.host, dict(self.writer.rows), self.writer.files, notes)

    # What the store holds

    def _note_the_unknown(self) -> None:
        for table in TABLES:
            if table not in self.columns and table not in OUTCOME_TABLES:
                self.notes.append(f"{table}: the store has no such table")
        for table, columns in self.columns.items():
            if table not in TABLES:
                self.notes.append(f"{table}: no table of A-LEMS that is known here; left in the store")
                continue
            known = {*TABLES[table].column_names, *ID_COLUMNS, *OWN_RESULTS.get(table, ())}
            place = f"kept in {KEPT_AS_JSON[table]}" if table in KEPT_AS_JSON else "left in the store"
            self.notes += [f"{table}.{c}: no column that is known here; {place}" for c in columns if c not in known]

    def _read_hardware(self) -> None:
        rows = list(self._rows("hardware_config"))
        hosts = [str(row["hostname"]) for row in rows if row.get("hostname")]
        self.host = next(iter(hosts), self.store.path.stem)
        if not hosts:
            self.notes.append(f"hardware_config: names no host; taken as {self.host}, the file's name")
        self.hardware: dict[Any, _Hardware] = {}
        for row in rows:
            host = str(row.get("hostname") or self.host)
            hw_id = stable_id(str(row.get("hardware_hash") or hardware_hash(row)), host)
            self.hardware[row.get("hw_id")] = _Hardware(hw_id, host, rapl_domains(row))
        only = next(iter(self.hardware.values())) if len(self.hardware) == 1 else None
        self.unnamed_hardware = only or _Hardware(None, self.host, rapl_domains({}))

    def _usable_runs(self) -> Iterator[tuple[int, _Run]]:
        """The runs that say when they were; without a start a run has no key."""
        optional = ("hw_id", "env_id", "baseline_id")
        for row in self._rows("runs", [*NEEDED_OF_RUNS, *(c for c in optional if c in self.columns["runs"])]):
            start, end = row["start_time_ns"], row["end_time_ns"]
            if not all(isinstance(value, int) for value in (row["run_id"], start, end)) or not row["workflow_type"]:
                continue
            experiment = self.experiments.get(row["exp_id"], {})
            hardware = self._hardware_of(row, experiment)
            self.baseline_hardware.setdefault(row.get("baseline_id"), hardware)
            key = run_key(SOURCE_SYSTEM, hardware.host, str(row["run_id"]), start)
            env_id = row.get("env_id") or experiment.get("env_id")
            yield row["run_id"], _Run(key, utc_from_ns(start).date(), row["exp_id"], env_id, hardware)

    def _hardware_of(self, *rows: Row) -> _Hardware:
        """The hardware that the first of the rows to name one names; else that of a store which has but one."""
        named = (self.hardware[row["hw_id"]] for row in rows if row.get("hw_id") in self.hardware)
        return next(named, self.unnamed_hardware)

    def _exp_key(self, exp_id: Any) -> int:
        experiment = self.experiments.get(exp_id, {})
        host = self._hardware_of(experiment).host
        return exp_key(SOURCE_SYSTEM, host, str(exp_id), utc_time(experiment.get("created_at")))

    def _first_dates(self) -> dict[tuple[str, Any], dt.date]:
        """The day of the first run of each experiment, hardware and environment, beside which they land."""
        first: dict[tuple[str, Any], dt.date] = {}
        for run in self.runs.values():
            for user in (("exp", run.exp_id), ("hw", run.hardware.hw_id), ("env", run.env_id), ("store", None)):
                first[user] = min(first.get(user, run.date), run.date)
        return first

    def _first_date(self, kind: str, id_: Any, created_at: dt.datetime | None = None) -> dt.date:
        return self.first_dates.get((kind, id_)) or (created_at or self.now).date()

    def _old_state(self) -> _State:
        """What was dropped before; nothing where that cannot be relied on, so that all is dropped again."""
        nothing = _State(store="")
        old = load_state(self.state_path, self.landing, lambda content: _State(**content))
        if old is None:
            return nothing
        present = {run_id: self.runs[int(run_id)].key for run_id in old.run_keys if int(run_id) in self.runs}
        same = [run_id for run_id, key in present.items() if old.run_keys[run_id] == key]
        if old.run_keys and not same:
            self.notes.append("the store has been made anew since its last import: everything is dropped")
            return nothing
        now_usable = any(run_id in self.runs for run_id in old.left_out)
        return nothing if now_usable or len(same) < len(present) else old

    def _rows(self, table: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
        if table not in self.columns:
            return
        names = columns or self.columns[table]
        for page in self.store.pages(table, names, size=WIDE_PAGE_ROWS, upto=self.limits[table]):
            for values in page:
                yield dict(zip(names, values[1:], strict=True))

    # Records

    def _drop_records(self, table: str, make: Callable[[Row], _Dated | None]) -> None:
        """Drop the records that are new, or differ from what was dropped."""
        dataset = TABLES[table]
        before = self.old.records.get(dataset.name, {})
        now: dict[str, str] = {}
        pending: defaultdict[dt.date, list[Record]] = defaultdict(list)
        n_read = 0
        for row in self._rows(table):
            n_read += 1
            made = make(row)
            if made is None:
                continue
            date, record = made
            absent = next((c.name for c in dataset.columns if c.required and record.get(c.name) is None), None)
            if absent is not None:
                self.skipped[f"{table}: no {absent}"] += 1
                continue
            key = ":".join(str(record[name]) for name in dataset.key)
            now[key] = record_hash(record)
            if before.get(key) == now[key]:
                continue
            pending[date].append(record)
            if len(pending[date]) >= WIDE_PAGE_ROWS:
                self.writer.write(dataset, date, _as_columns(pending.pop(date)))
        for date, records in pending.items():
            self.writer.write(dataset, date, _as_columns(records))
        self.state.records[dataset.name] = now
        self.progress(table, n_read, n_read)

    def _record(self, table: str, row: Row) -> Record:
        """The columns that the table shares with the contract, and where they come from."""
        record = {c.name: self._fit(table, c.name, row.get(c.name), c.type) for c in TABLES[table].columns}
        return record | {"source_system": SOURCE_SYSTEM, "host": self.host, "recorded_at": self.now}

    def _fit(self, table: str, column: str, value: Any, type_: pa.DataType) -> Any:
        try:
            return fit(value, type_)
        except Misfit:
            self.misfits[f"{table}.{column}: not {type_}"] += 1
            return None

    def _environment_record(self, row: Row) -> _Dated:
        record = self._record("environment_config", row)
        record["env_id"] = stable_id(*(record[name] for name in contract.ENVIRONMENT_COLUMNS))
        self.environments[row.get("env_id")] = record["env_id"]
        return self._first_date("env", row.get("env_id"), record["created_at"]), record

    def _hardware_record(self, row: Row) -> _Dated:
        hardware = self.hardware[row.get("hw_id")]
        record = self._record("hardware_config", row)
        record["hardware_hash"] = record["hardware_hash"] or hardware_hash(row)
        record |= {"hw_id": hardware.hw_id, "host": hardware.host, "hostname": hardware.host}
        return self._first_date("hw", hardware.hw_id, record["created_at"]), record

    def _baseline_record(self, row: Row) -> _Dated:
        hardware = self.baseline_hardware.get(row.get("baseline_id"), self.unnamed_hardware)
        record = self._record("idle_baselines", row)
        for domain, prefix in RAPL_NAMES.items():
            for name in (f"{prefix}_power_watts", f"{prefix}_std"):
                if record[name] == 0 and domain not in hardware.domains:
                    record[name] = None
        record |= {"hw_id": hardware.hw_id, "host": hardware.host}
        measured_at = utc_time(record["timestamp"])
        return (measured_at or self.now).date(), record

    def _experiment_record(self, row: Row) -> _Dated:
        exp_id, hardware = row.get("exp_id"), self._hardware_of(row)
        record = self._record("experiments", row) | {
            "exp_key": self._exp_key(exp_id),
            "host": hardware.host,
            "source_exp_id": str(exp_id),
            "hw_id": hardware.hw_id,
            "env_id": self.environments.get(row.get("env_id")),
        }
        return self._first_date("exp", exp_id, record["created_at"]), record

    def _run_record(self, row: Row) -> _Dated | None:
        run = self.runs.get(row["run_id"])
        if run is None:
            self.skipped["runs: start_time_ns, end_time_ns or workflow_type missing"] += 1
            if isinstance(row["run_id"], int):
                self.state.left_out.append(row["run_id"])
            return None
        record = without_false_zeros(self._record("runs", row))
        elsewhere = {*contract.RUNS.column_names, *ID_COLUMNS, "total_energy_uj", "dynamic_energy_uj"}
        record |= {
            "run_key": run.key,
            "host": run.hardware.host,
            "source_run_id": str(row["run_id"]),
            "exp_key": self._exp_key(run.exp_id),
            "hw_id": run.hardware.hw_id,
            "env_id": self.environments.get(run.env_id),
            "status": record["status"] or "completed",  # A-LEMS stores finished runs only
            "reported_json": results_json(row, elsewhere),
        }
        for name in ("total_energy_uj", "dynamic_energy_uj"):
            record[f"reported_{name}"] = self._fit("runs", name, row.get(name), I)
        return run.date, record

    def _tax_record(self, row: Row) -> _Dated | None:
        linear, agentic = self.runs.get(row.get("linear_run_id", 0)), self.runs.get(row.get("agentic_run_id", 0))
        if linear is None or agentic is None:
            self.skipped["orchestration_tax_summary: of runs that are missing"] += 1
            return None
        keys = {"linear_run_key": linear.key, "agentic_run_key": agentic.key, "host": agentic.hardware.host}
        return agentic.date, self._record("orchestration_tax_summary", row) | keys

    def _category_record(self, row: Row) -> _Dated:
        return self._first_date("store", None), self._record("task_categories", row)

    # Queries and what became of them; notes

    def _execution_record(self, row: Row) -> _Dated | None:
        run = self.runs.get(row.get("run_id", 0))
        self.query_runs["query_execution", row.get("exec_id")] = run
        reported = self._fit("query_execution", "total_energy_uj", row.get("total_energy_uj"), I)
        values = {"source_exec_id": _id(row, "exec_id"), "reported_total_energy_uj": reported}
        return self._outcome("query_execution", row, run, values)

    def _attempt_record(self, row: Row) -> _Dated | None:
        run = self.query_runs.get(("query_execution", row.get("exec_id")))
        self.query_runs["query_attempt", row.get("attempt_id")] = run
        ids = {"source_attempt_id": _id(row, "attempt_id"), "source_exec_id": _id(row, "exec_id")}
        return self._outcome("query_attempt", row, run, ids)

    def _hallucination_record(self, row: Row) -> _Dated | None:
        run = self.query_runs.get(("query_attempt", row.get("attempt_id")))
        ids = {"source_event_id": _id(row, "id"), "source_attempt_id": _id(row, "attempt_id")}
        return self._outcome("hallucination_events", row, run, ids)

    def _outcome(self, table: str, row: Row, run: _Run | None, values: Record) -> _Dated | None:
        if run is None:
            self.skipped[f"{table}: of runs that are missing"] += 1
            return None
        return run.date, self._record(table, row) | {"run_key": run.key, "host": run.hardware.host} | values

    def _tag_record(self, row: Row) -> _Dated:
        subject = self._subject("tagged", row.get("run_id"), row.get("exp_id"))
        record = self._record("tags", row) | subject | {"source_tag_id": _id(row, "tag_id")}
        return self._first_date("store", None), record

    def _hypothesis_record(self, row: Row) -> _Dated:
        subject = self._subject("evidence", row.get("key_run_id"), row.get("key_exp_id"))
        record = self._record("hypotheses", row) | subject | {"source_hypothesis_id": _id(row, "hypothesis_id")}
        return self._first_date("store", None), record

    def _subject(self, what: str, run_id: Any, exp_id: Any) -> Record:
        """The run and the experiment that a note is about, where it names one."""
        run = self.runs.get(run_id)
        return {
            f"{what}_run_key": run.key if run else None,
            f"{what}_exp_key": self._exp_key(exp_id) if exp_id in self.experiments else None,
        }

    # Events, calls and samples

    def _drop_rows_of_runs(self, table: str, lookup: "_RunLookup") -> None:
        """Drop the rows that were added since the last import."""
        if table not in self.columns:
            return
        dataset = RUN_TABLES[table]
        wide = dataset.kind == "record"
        wanted = [c for c in self.columns[table] if wide or c == "run_id" or c in dataset.column_names]
        needed = {"run_id", *(c.name for c in dataset.columns if c.required)} - MADE_HERE
        if absent := sorted(needed - set(wanted)):
            self.notes.append(f"{table}: has no column {', '.join(absent)}; left in the store")
            return
        limit, after = self.limits[table], self.old.last_rowid.get(table, 0)
        after = after if after <= limit else 0  # rows were deleted, and their numbers may have been given again
        for page in self.store.pages(
            table, wanted, size=WIDE_PAGE_ROWS if wide else PAGE_ROWS, after=after, upto=limit
        ):
            values = dict(zip(("rowid", *wanted), zip(*page, strict=True), strict=True))
            self._drop_page(table, dataset, values, lookup)
            self.progress(table, page[-1][0] - after, limit - after)

    def _drop_page(self, table: str, dataset: Dataset, values: Values, lookup: "_RunLookup") -> None:
        run_ids = self._array(table, "run_id", values["run_id"], I)
        at = pc.index_in(run_ids, value_set=lookup.ids)  # each row's place among the runs
        arrays = {c.name: self._array(table, c.name, values[c.name], c.type) for c in dataset.columns
                  if c.name in values}  # fmt: skip
        arrays["run_key"] = lookup.keys.take(at)
        if table == "energy_samples":
            _finish_counters(arrays, lookup, at)
        elif table == "cpu_samples":
            _finish_cpu(arrays, lookup, at)
        elif table == "orchestration_events":
            arrays["source_event_id"] = pa.array(map(str, values["rowid"]))
            arrays["detail_json"] = pa.array(_event_details(values, dataset), T)
        elif table == "llm_interactions":
            arrays["source_interaction_id"] = pa.array(map(str, values["rowid"]))
            if "error_message" in arrays:
                arrays["error_message"] = _null_where_equal(arrays["error_message"], "")
        self._write_whole_rows(table, dataset, arrays, lookup.dates.take(at))
        if at.null_count:
            strangers = [run_id for run_id in pc.unique(run_ids.filter(at.is_null())).to_pylist() if run_id is not None]
            self.state.left_out = sorted({*self.state.left_out, *strangers})[:MAX_LEFT_OUT]

    def _write_whole_rows(self, table: str, dataset: Dataset, arrays: dict[str, pa.Array], dates: pa.Array) -> None:
        """Write, by day, the rows that have all that the contract requires."""
        whole = dates.is_valid()
        if without_run := whole.false_count:
            self.skipped[f"{table}: of runs that are missing"] += without_run
        for column in dataset.columns:
            if column.required and arrays[column.name].null_count:
                still = pc.and_(whole, arrays[column.name].is_valid())
                if lost := still.false_count - whole.false_count:
                    self.skipped[f"{table}: no {column.name}"] += lost
                whole = still
        rows, dates = pa.table(arrays).filter(whole), dates.filter(whole)
        for date in pc.unique(dates):
            self.writer.write(dataset, date.as_py(), rows.filter(pc.equal(dates, date)))

    def _array(self, table: str, column: str, values: Sequence[Any], type_: pa.DataType) -> pa.Array:
        try:
            found = pa.array(values)
        except (pa.ArrowException, OverflowError, ValueError, TypeError):
            found = None
        if found is not None and found.type in _SAFE.get(type_, ()):
            return found.cast(type_)
        return pa.array([self._fit(table, column, value, type_) for value in values], type_)


class _RunLookup:
    """What the rows of runs need to know of their run, as columns to take from."""

    def __init__(self, runs: dict[int, _Run]) -> None:
        self.ids = pa.array(list(runs), I)
        self.keys = pa.array([run.key for run in runs.values()], I)
        self.dates = pa.array([run.date for run in runs.values()], pa.date32())
        self.has = {d: pa.array([d in run.hardware.domains for run in runs.values()], B) for d in RAPL_NAMES}


_SAFE: Final = {
    I: (pa.int64(), pa.null()),
    R: (pa.float64(), pa.int64(), pa.null()),
    T: (pa.string(), pa.null()),
}
"""The types that Arrow finds in a column whose values all fit the contract's type."""


def _tables(store: SqliteFile) -> dict[str, list[str]]:
    """The tables and their columns. Raises NotAnAlemsStore."""
    tables = store.tables()
    absent = [column for column in NEEDED_OF_RUNS if column not in tables.get("runs", ())]
    if absent:
        what = f"its table runs has no {', '.join(absent)}" if "runs" in tables else "it has no table runs"
        raise NotAnAlemsStore(f"{store.path}: is no A-LEMS store, {what}; give the path of experiments.db")
    return tables


def _id(row: Row, column: str) -> str | None:
    value = row.get(column)
    return None if value is None else str(value)


def _as_columns(records: list[Record]) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in records[0]}


def _event_details(values: Values, dataset: Dataset) -> list[str | None]:
    elsewhere = {*dataset.column_names, *ID_COLUMNS, "rowid", "duration_ns"}
    names = [name for name in values if name not in elsewhere]
    return [
        results_json(dict(zip(names, row, strict=True)), set())
        for row in zip(*(values[name] for name in names), strict=True)
    ] or [None] * len(values["rowid"])


def _finish_counters(arrays: dict[str, pa.Array], lookup: _RunLookup, at: pa.Array) -> None:
    """Counters as stored, beside the range that A-LEMS does not store; NULL for a domain that the host lacks."""
    for domain in RAPL_NAMES:
        if f"{domain}_energy_uj" not in arrays:
            continue
        counter = _null_zeros_of_absent(arrays[f"{domain}_energy_uj"], lookup.has[domain].take(at))
        range_ = pc.if_else(counter.is_valid(), pa.scalar(RAPL_RANGE_UJ), pa.scalar(None, I))
        arrays[f"{domain}_energy_uj"], arrays[f"{domain}_range_uj"] = counter, range_
    arrays["package_index"] = pa.repeat(pa.scalar(0, I), len(at))  # A-LEMS reads package-0 only


def _finish_cpu(arrays: dict[str, pa.Array], lookup: _RunLookup, at: pa.Array) -> None:
    for name in CPU_SAMPLE_ZERO_IS_MISSING:
        if name in arrays:
            arrays[name] = _null_where_equal(arrays[name], 0.0)
    if "dram_power" in arrays:
        arrays["dram_power"] = _null_zeros_of_absent(arrays["dram_power"], lookup.has["dram"].take(at))


def _null_zeros_of_absent(values: pa.Array, present: pa.Array) -> pa.Array:
    return pc.if_else(present, values, _null_where_equal(values, 0))


def _null_where_equal(values: pa.Array, value: Any) -> pa.Array:
    return pc.if_else(pc.equal(values, pa.scalar(value, values.type)), pa.scalar(None, values.type), values)
