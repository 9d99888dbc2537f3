"""One measured run: samplers around a command, its samples and events dropped as it goes, its record last."""

import os
import shlex
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors import contract, ids
from collectors.clock import NS, Clock
from collectors.drop import Drop, DropFailed, drop_rows
from collectors.event_file import PHASES, EventRows, RunFrame, read_events
from collectors.process import CannotStart, Command, Ended, Interruptions
from collectors.sampler import Sampler
from collectors.sensors import Sensor
from collectors.sensors.perf import PerfCounters
from collectors.sensors.process_tree import TreeWatch, read_end, read_start

PRODUCER: Final = "alems-collect"
DRAIN_EVERY_S: Final = 5.0
FLUSH_EVERY_S: Final = (10.0, 300.0)
FLUSH_SHARE: Final = 20
"""A kill -9 costs what was not yet written: 10 s, in long runs a twentieth of the run but at most five minutes, so that
a run of a day makes hundreds of files, not ten thousand."""
MIN_GAP_NS: Final = NS // 10
EVENTS: Final = "events.jsonl"
OUTPUT: Final = "output"
LAST_BYTES: Final = 4096
LAST_CHARACTERS: Final = 300
MAX_PHASES_TOLD: Final = 5

Row = dict[str, Any]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where drops go and in whose name."""

    landing: Path
    host: str

    def drop(self, dataset: contract.Dataset, rows: Sequence[Mapping[str, Any]], day: date) -> Path | None:
        """Write records as one file. Raises ContractBroken, DropFailed."""
        return drop_rows(self.landing, dataset, rows, host=self.host, producer=PRODUCER, date=day)

    def source(self) -> Row:
        """The columns that every record carries."""
        return {"source_system": PRODUCER, "host": self.host, "recorded_at": datetime.now(UTC)}


@dataclass(frozen=True, slots=True)
class Host:
    """What of this host is read during a run; `sys` and `proc` are other folders in tests."""

    sensors: Sequence[Sensor]
    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


@dataclass(frozen=True, slots=True)
class Run:
    """A run to be measured: what its record says before it has begun."""

    source_run_id: str
    exp_key: int
    workflow_type: str
    run_number: int
    command: Sequence[str]
    model: str | None
    provider: str | None
    columns: Row
    """Further columns of its record: hw_id, env_id, baseline_id, is_cold_start."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run."""

    run_key: int
    source_run_id: str
    workflow_type: str
    run_number: int
    status: str
    """completed, partial or failed."""
    exit_code: int
    """Negative: ended by that signal."""
    started: bool
    """False where the command could not be started: its exit code is then a shell's, 126 or 127."""
    error: str | None
    start_ns: int
    end_ns: int
    rows: dict[str, int]
    """Rows dropped, by dataset."""
    rejections: Mapping[str, int]
    """How many lines of its event file were rejected for each reason, in the order of the first ones."""
    background_cpu_percent: float | None
    """CPU use of everything but the command, percent of the host."""

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / NS


class Recording:
    """The samplers of one run and the drops that their samples go to."""

    def __init__(self, sensors: Sequence[Sensor], clock: Clock, tell: Tell) -> None:
        """Start one sampler per sensor: the first samples stand when this returns."""
        self._tell = tell
        self._samplers: list[Sampler] = []
        for sensor in sensors:
            sampler = Sampler(sensor, clock)
            try:
                sampler.start()
            except Exception as error:  # whatever a driver raises: the other sensors go on
                tell(f"{sensor.name}: not sampled, {error}")
                continue
            self._samplers.append(sampler)
        self.rows: dict[str, int] = {}
        self._drops: list[Drop] = []

    def begin(self, place: Place, run_key: int, start_ns: int, day: date) -> None:
        """Name the run that the samples belong to, those taken already included."""
        self._run_key = run_key
        self._start_ns = start_ns
        self._drops = [
            Drop(place.landing, sampler.sensor.dataset, host=place.host, producer=PRODUCER, date=day)
            for sampler in self._samplers
        ]

    def drain(self) -> None:
        """Move the samples from the samplers' small buffers to the drops."""
        for sampler, drop in zip(self._samplers, self._drops, strict=True):
            columns = sampler.drain()
            times = columns["timestamp_ns"]
            columns["run_key"] = pa.repeat(pa.scalar(self._run_key, pa.int64()), len(times))
            if drop.dataset is contract.THERMAL_SAMPLES:
                columns["sample_time_s"] = pc.divide(pc.subtract(times, self._start_ns).cast(pa.float64()), float(NS))
            drop.append(columns)
            self.rows[drop.dataset.name] = self.rows.get(drop.dataset.name, 0) + len(times)

    def flush(self) -> None:
        """Write what has been drained. Raises DropFailed; the samples are kept then."""
        for drop in self._drops:
            drop.flush()

    def stop(self) -> None:
        """Take the last samples, and tell of those that are missing."""
        for sampler in self._samplers:
            sampler.stop()
            stats = sampler.stats
            for reason, count in stats.failed.items():
                self._tell(f"{sampler.sensor.name}: {count} reading(s) missing: {reason}")
            if stats.lost_rows:
                self._tell(f"{sampler.sensor.name}: {stats.lost_rows} sample(s) lost: the disk or the CPU was too slow")


class Readings:
    """What is read at the start and the end of a run, and of the measured process tree between."""

    def __init__(self, host: Host) -> None:
        """Read the host and arm the counters of the command that this thread starts next."""
        self._host = host
        self._counters = PerfCounters(host.proc)
        self._start = read_start(host.sys, host.proc)
        self._counters.open()
        self._watch: TreeWatch | None = None

    def watch(self, command: Command) -> None:
        self._watch = TreeWatch(command.pid, self._host.proc, self._host.sys)
        self._watch.start()

    def end(self, ended: Ended) -> Row:
        """The columns of RUN_READINGS."""
        assert self._watch is not None
        return {
            **read_end(
                self._start,
                rusage=ended.usage,
                load=self._watch.stop(),
                counters=self._counters.read(),
                sys=self._host.sys,
                proc=self._host.proc,
            )
        }

    def close(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        self._counters.close()


def measure(
    run: Run,
    host: Host,
    place: Place,
    clock: Clock,
    *,
    interruptions: Interruptions,
    tell: Tell,
    quiet: bool = False,
) -> RunResult:
    """Measure a command from start to end and drop everything about it; whatever the command does, the run is recorded.

    Everything lands on the UTC date of the run's start. The command's output goes where the collector's goes; `quiet`
    keeps it back, and of a failed command its last line becomes part of the error. Raises DropFailed.
    """
    recording = Recording(host.sensors, clock, tell)
    # What outlives the command may still write there.
    with tempfile.TemporaryDirectory(prefix="alems-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        readings = Readings(host)
        start_ns = clock.now_ns()
        record = _Record(run, place, start_ns, host.sensors)
        recording.begin(place, record.run_key, start_ns, record.day)
        variables = {"ALEMS_EVENTS": str(folder / EVENTS), "ALEMS_RUN_KEY": str(record.run_key)}
        command = None
        try:
            with _output(folder, quiet) as output:
                command = Command(run.command, os.environ | variables, clock.now_ns, output)
            interruptions.pass_on_to(command)
            readings.watch(command)
            ended = _follow(command, recording, record, clock, tell)
        except CannotStart as error:
            record.fails_to_start(error, clock.now_ns())
        else:
            record.ends(ended, interrupted=interruptions.signal is not None, said=_last_line(folder / OUTPUT))
            record.readings = readings.end(ended)
        finally:
            interruptions.pass_on_to(None)
            if command is not None:
                command.send(signal.SIGTERM)  # of no effect but where the collector itself failed
            readings.close()
            recording.stop()
        recording.drain()
        recording.flush()
        events = _read_events(folder / EVENTS, run, record, clock, tell)
        rows = recording.rows | _drop_events(events, record, place)
    place.drop(contract.RUNS, [record.row()], record.day)
    return record.result(rows, events.rejections)


@contextmanager
def _output(folder: Path, quiet: bool) -> Iterator[IO[bytes] | None]:
    if not quiet:
        yield None
        return
    with (folder / OUTPUT).open("wb") as file:
        yield file


def _last_line(output: Path) -> str | None:
    """The last line that a quiet command wrote, shortened."""
    if not output.exists():
        return None
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - LAST_BYTES))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:LAST_CHARACTERS] if lines else None


class _Record:
    """The run's record as far as it is known; until the end is seen it says partial, for who finds it after a kill."""

    def __init__(self, run: Run, place: Place, start_ns: int, sensors: Sequence[Sensor]) -> None:
        self.run = run
        self.place = place
        self.start_ns = start_ns
        self.end_ns = start_ns
        self.run_key = ids.run_key(PRODUCER, place.host, run.source_run_id, start_ns)
        self.day = ids.utc_from_ns(start_ns).date()
        self.status = "partial"
        self.exit_code: int | None = None
        self.started = True
        self.error: str | None = "the collector did not see the end of this run"
        self.readings: Row = {}
        periods = [round(s.period_s * NS) for s in sensors if s.dataset is contract.ENERGY_SAMPLES]
        self.longest_interval_ns = max(3 * max(periods), MIN_GAP_NS) if periods else None

    def is_seen_until(self, now_ns: int) -> None:
        self.end_ns = now_ns

    def fails_to_start(self, error: CannotStart, now_ns: int) -> None:
        self.started = False
        self.end_ns, self.status, self.exit_code, self.error = now_ns, "failed", error.exit_code, str(error)

    def ends(self, ended: Ended, *, interrupted: bool, said: str | None) -> None:
        self.end_ns, self.exit_code = ended.end_ns, ended.exit_code
        if interrupted:
            self.status, self.error = "partial", "interrupted"
        elif ended.exit_code:
            reason = describe_exit(ended.exit_code)
            self.status, self.error = "failed", f"{reason}: {said}" if said else reason
        else:
            self.status, self.error = "completed", None

    def row(self) -> Row:
        return {
            "run_key": self.run_key,
            **self.place.source(),
            "source_run_id": self.run.source_run_id,
            "exp_key": self.run.exp_key,
            "run_number": self.run.run_number,
            "workflow_type": self.run.workflow_type,
            "status": self.status,
            "exit_code": self.exit_code,
            "error_message": self.error,
            "start_time_ns": self.start_ns,
            "end_time_ns": self.end_ns,
            "command": shlex.join(self.run.command),
            "max_sample_interval_ns": self.longest_interval_ns,
            **self.readings,
            **self.run.columns,
        }

    def result(self, rows: dict[str, int], rejections: Mapping[str, int]) -> RunResult:
        assert self.exit_code is not None
        return RunResult(
            run_key=self.run_key,
            source_run_id=self.run.source_run_id,
            workflow_type=self.run.workflow_type,
            run_number=self.run.run_number,
            status=self.status,
            exit_code=self.exit_code,
            started=self.started,
            error=self.error,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            rows=rows,
            rejections=rejections,
            background_cpu_percent=self.readings.get("background_cpu_percent"),
        )


def describe_exit(exit_code: int) -> str:
    """An exit code in words."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    return f"ended by signal {-exit_code} ({signal.strsignal(-exit_code)})"


def _follow(command: Command, recording: Recording, record: _Record, clock: Clock, tell: Tell) -> Ended:
    """Wait for the command's end, writing what was measured every now and then."""
    flush_at_ns = record.start_ns + pause_ns(0)
    while (ended := command.wait(DRAIN_EVERY_S)) is None:
        recording.drain()
        now_ns = clock.now_ns()
        if now_ns >= flush_at_ns:
            record.is_seen_until(now_ns)
            try:
                recording.flush()
                record.place.drop(contract.RUNS, [record.row()], record.day)
            except DropFailed as error:  # the samples are kept, and there may be room again before the end
                tell(str(error))
            flush_at_ns = now_ns + pause_ns(now_ns - record.start_ns)
    return ended


def pause_ns(elapsed_ns: int) -> int:
    """How long after this much of the run it is written again."""
    shortest, longest = (round(seconds * NS) for seconds in FLUSH_EVERY_S)
    return min(max(elapsed_ns // FLUSH_SHARE, shortest), longest)


def _read_events(path: Path, run: Run, record: _Record, clock: Clock, tell: Tell) -> EventRows:
    """What the program said about itself; who measures is told of what of it is not as it was meant."""
    frame = RunFrame(
        run_key=record.run_key,
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        to_utc_ns=clock.to_utc_ns,
        workflow_type=run.workflow_type,
        model_name=run.model,
        provider=run.provider,
    )
    try:
        events = read_events(path, frame)
    except OSError as error:  # the file is the program's: it may have made anything of it
        tell(f"{path.name} of {shlex.join(run.command)[:100]}: not read, {error.strerror}")
        return EventRows()
    for phase, _ in events.unknown_phases.most_common(MAX_PHASES_TOLD):
        tell(
            f"phase {phase[:60]!a} of a step: unknown, so the step counts to the phase around it, if any; "
            f"give {', '.join(PHASES)}"
        )
    return events


def _drop_events(events: EventRows, record: _Record, place: Place) -> dict[str, int]:
    """Drop what the program said about itself; the rows dropped, by dataset."""
    parts = {
        contract.ORCHESTRATION_EVENTS: events.events,
        contract.LLM_INTERACTIONS: events.llm_calls,
        contract.RUN_CONDITIONS: events.conditions,
        contract.REJECTED_LINES: events.rejected,
    }
    for dataset, rows in parts.items():
        place.drop(dataset, rows, record.day)
    return {dataset.name: len(rows) for dataset, rows in parts.items() if rows}
