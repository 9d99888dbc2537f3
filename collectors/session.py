"""A measuring session on this host: its sensors and fingerprint, its idle baseline, its experiments and their runs.

    session = Session(Path("warehouse/landing"), tell=print)
    session.run_baseline(seconds=30)
    subject = Subject(experiment="demo", task="ranking", model="trigram", provider="local")
    session.compare(subject, ["python", "linear.py"], ["python", "agent.py"], repeat=5)

A session is one group_id; by a name, several calls on one host go on with one session. A live experiment is (host,
session, name, task, model, provider); run numbers count within the experiment and the workflow type, so the linear and
the agentic run of one number are a pair.
"""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Self

from collectors import baselines, contract, ids
from collectors.clock import Clock
from collectors.measure import PRODUCER, Host, Place, Row, Run, RunResult, Tell, measure
from collectors.process import CannotStart, Command, Interruptions
from collectors.sensors import Sensor, idle_baseline
from collectors.sensors.cpu import CpuSensor
from collectors.sensors.cpu_model import CpuModelSensor, ModelWatts
from collectors.sensors.fingerprint import environment_config, hardware_config
from collectors.sensors.gpu import GpuSensor
from collectors.sensors.idle_baseline import WINDOWS
from collectors.sensors.interrupts import InterruptsSensor
from collectors.sensors.perf import PerfCounters
from collectors.sensors.rapl import RaplSensor
from collectors.sensors.thermal import ThermalSensor
from collectors.session_file import SessionFile
from collectors.uuid7 import uuid7

POLL_S: Final = 1.0

Workflow = Literal["linear", "agentic"]
PAIR: Final[tuple[Workflow, Workflow]] = ("linear", "agentic")


@dataclass(frozen=True, slots=True)
class Subject:
    """What an experiment is about; what is not known is None. `country` is the ISO 3166 code of the grid region."""

    experiment: str
    task: str | None = None
    model: str | None = None
    provider: str | None = None
    country: str | None = None

    def __str__(self) -> str:
        return self.task or self.experiment


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come: `done` of `total` runs (warm-ups included) or windows, and what comes next."""

    done: int
    total: int
    text: str


OnProgress = Callable[[Progress], None]


class OtherCountry(RuntimeError):
    """An experiment of the session is of another country."""


@dataclass(slots=True)
class _Experiment:
    """An experiment of this session and what has become of it."""

    subject: Subject
    source_id: str
    created_at: datetime
    env_id: int
    planned: int = 0
    completed: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    interrupted: bool = False
    workflows: set[str] = field(default_factory=set)
    warm: set[str] = field(default_factory=set)
    numbers: Counter[str] = field(default_factory=Counter)
    """The last number given to a run, by workflow."""
    results: list[RunResult] = field(default_factory=list)
    """Of this process."""

    @property
    def workflow_type(self) -> str:
        return "comparison" if len(self.workflows) > 1 else next(iter(self.workflows))

    def final_status(self) -> str:
        if self.completed == self.planned:
            return "completed"
        return "partial" if self.completed or self.interrupted else "failed"

    def add(self, result: RunResult) -> None:
        self.results.append(result)
        self.completed += result.status == "completed"
        self.started_at = self.started_at or ids.utc_from_ns(result.start_ns)
        self.ended_at = ids.utc_from_ns(result.end_ns)
        self.error = result.error or self.error

    def kept(self) -> Row:
        """What the next call needs to know, for JSON."""
        record = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "results"}
        return record | {
            "subject": asdict(self.subject),
            "workflows": sorted(self.workflows),
            "warm": sorted(self.warm),
        }

    @classmethod
    def of(cls, kept: Row) -> Self:
        """What an earlier call kept. Raises ValueError, TypeError or KeyError where it is something else."""
        started_at, ended_at = (
            kept[name] and datetime.fromisoformat(kept[name]) for name in ("started_at", "ended_at")
        )
        return cls(
            subject=Subject(**kept["subject"]),
            source_id=str(kept["source_id"]),
            created_at=datetime.fromisoformat(kept["created_at"]),
            env_id=int(kept["env_id"]),
            planned=int(kept["planned"]),
            completed=int(kept["completed"]),
            started_at=started_at,
            ended_at=ended_at,
            error=None if kept["error"] is None else str(kept["error"]),
            interrupted=bool(kept["interrupted"]),
            workflows=set(kept["workflows"]),
            warm=set(kept["warm"]),
            numbers=Counter({name: int(number) for name, number in kept["numbers"].items()}),
        )


class Session:
    """Measures commands on this host and drops everything about them into a landing folder.

    `tell` is given each message once, one line each: what is estimated and why, what else is not measured. The newest
    baseline of the hardware is kept beside landing, in `<landing>/../collector-state`. `watts` are those of the
    estimate, where the host has no readable counter. `gpus`: index or UUID of each GPU whose energy counts; all where
    none is named. `name`: the session goes on with that of the same name on this host and landing, if there is one.
    Raises OSError where a GPU that was named is not there.
    """

    def __init__(
        self,
        landing: Path,
        *,
        tell: Tell = lambda message: None,
        watts: ModelWatts | None = None,
        gpus: Sequence[str] = (),
        name: str | None = None,
        sys: Path = Path("/sys"),
        proc: Path = Path("/proc"),
    ) -> None:
        self.id = str(uuid7())
        self.clock = Clock()
        self.place = Place(landing, socket.gethostname())
        self._file = None if name is None else SessionFile(landing, self.place.host, name)
        self._tell_anyone = tell
        self._told: set[str] = set()
        self._watts = watts or ModelWatts()
        self._gpu = GpuSensor(wanted=gpus)
        self._sensors = all_sensors(sys, proc, self._watts, self._gpu)
        if gpus and (reason := self._gpu.available()) is not None:
            raise OSError(f"--gpu: {reason}")
        self.interrupted_by: int | None = None
        """The signal that ended the last series early."""
        self.energy_sensor = self._choose_energy_sensor()
        self.host = Host(self._choose_sensors(proc), sys, proc)
        self.hardware = hardware_config(sys, proc, hostname=self.place.host)
        self._baseline: Row | None = None
        self._dropped: set[int] = set()  # hw_id and env_ids of this session's landing
        self._environments: dict[str, Row] = {}
        self._experiments: dict[str, _Experiment] = {}  # by source_id

    @property
    def is_estimated(self) -> bool:
        """Whether energy is estimated from CPU time, because this host has no readable counter."""
        return self.energy_sensor.name == CpuModelSensor.name

    @property
    def _model(self) -> ModelWatts | None:
        return self._watts if self.is_estimated else None

    def run_baseline(self, *, seconds: int = WINDOWS, on_progress: OnProgress = lambda progress: None) -> Row:
        """Measure idle power over windows of one second, drop it and keep it for the runs of the next 24 hours.

        Returns the idle_baselines record. Raises NoBaseline when the host is too busy, DropFailed.
        """
        gpu = next((sensor for sensor in self.host.sensors if sensor.name == GpuSensor.name), None)
        measured = idle_baseline.measure(
            self.energy_sensor,
            gpu=gpu,
            windows=seconds,
            progress=lambda done, total: on_progress(Progress(done, total, "idle baseline")),
            sys=self.host.sys,
            proc=self.host.proc,
        )
        record = {
            **measured,
            "baseline_id": str(uuid7()),
            "hw_id": self.hardware["hw_id"],
            **self.place.source(),
        }
        self._drop_hardware()
        self.place.drop(contract.IDLE_BASELINES, [record], datetime.now(UTC).date())
        baselines.keep(self.place.landing, record, model=self._model, gpus=self._gpu.chosen)
        self._baseline = record
        return record

    def run_command(
        self,
        subject: Subject,
        workflow: Workflow,
        command: Sequence[str],
        *,
        repeat: int = 1,
        quiet: bool = False,
        on_progress: OnProgress = lambda progress: None,
    ) -> list[RunResult]:
        """Measure a command `repeat` times; `quiet` keeps its output back.

        A failing command is a failed run, and the next one follows. A signal, or a command that cannot be started, ends
        the series. Raises DropFailed, OtherCountry; of a named session SessionTaken, BadSessionFile, OSError.
        """
        with self._running(subject, {workflow}, repeat, command) as (experiment, interruptions):
            before = len(experiment.results)
            for n in range(repeat):
                on_progress(Progress(n, repeat, f"{subject}: {workflow} {n + 1} of {repeat}"))
                number = experiment.numbers[workflow] + 1
                result = self._run(experiment, workflow, number, command, interruptions, quiet)
                if interruptions.signal is not None or not result.started:
                    break
        return experiment.results[before:]

    def compare(
        self,
        subject: Subject,
        linear: Sequence[str],
        agentic: Sequence[str],
        *,
        repeat: int = 3,
        cooldown_s: float = 0.0,
        on_progress: OnProgress = lambda progress: None,
    ) -> list[RunResult]:
        """Measure `repeat` pairs of a linear and an agentic command, their output kept back.

        Each is first run once without being measured. The order alternates from pair to pair, so that neither form
        always meets the warmer machine; `cooldown_s` is waited before each measured run. Ends early, and raises, as
        run_command() does.
        """
        commands: dict[Workflow, Sequence[str]] = {"linear": linear, "agentic": agentic}
        total = 2 * repeat + len(PAIR)
        with self._running(subject, set(PAIR), 2 * repeat, linear) as (experiment, interruptions):
            before = len(experiment.results)
            for done, workflow in enumerate(PAIR):
                on_progress(Progress(done, total, f"{subject}: {workflow} warm-up"))
                self._warm_up(experiment, workflow, commands[workflow], interruptions)
            number = max(experiment.numbers[workflow] for workflow in PAIR)
            for done, (pair, workflow) in enumerate(alternating(repeat), start=len(PAIR)):
                on_progress(Progress(done, total, f"{subject}: {workflow} {pair} of {repeat}"))
                interruptions.sleep(cooldown_s)
                if interruptions.signal is not None:
                    break
                result = self._run(experiment, workflow, number + pair, commands[workflow], interruptions, quiet=True)
                if not result.started:
                    break
        return experiment.results[before:]

    # Sensors

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._tell_anyone(message)

    @property
    def _of_gpus(self) -> str:
        return f" with --gpu {' --gpu '.join(map(str, self._gpu.chosen))}" if self._gpu.chosen else ""

    def _choose_energy_sensor(self) -> Sensor:
        rapl, model = (self._sensors[name] for name in (RaplSensor.name, CpuModelSensor.name))
        reason = rapl.available()
        if reason is None:
            for warning in _warnings(rapl):
                self._tell(warning)
            return rapl
        self._tell(
            f"Energy is ESTIMATED from CPU time ({self._watts.busy:g} W per busy CPU, {self._watts.idle:g} W per idle "
            f"one; --busy-watts and --idle-watts say otherwise), not measured: {reason}"
        )
        return model

    def _choose_sensors(self, proc: Path) -> list[Sensor]:
        others = [sensor for sensor in self._sensors.values() if sensor.dataset is not contract.ENERGY_SAMPLES]
        chosen = [sensor for sensor in others if sensor.available() is None]
        missing = [sensor.name for sensor in others if sensor not in chosen or _warnings(sensor)]
        if PerfCounters(proc).available() is not None:
            missing.append("perf")
        if missing:
            self._tell(
                f"Missing here, whole or in part: {', '.join(missing)}; `alems-collect doctor` says why for each"
            )
        return [self.energy_sensor, *chosen]

    # Records of the session

    def _drop_hardware(self) -> None:
        self._drop_once(contract.HARDWARE_CONFIG, self.hardware["hw_id"], self.hardware)

    def _drop_once(self, dataset: contract.Dataset, id_: int, record: Row) -> None:
        if id_ not in self._dropped:
            self.place.drop(dataset, [{**record, **self.place.source()}], datetime.now(UTC).date())
            self._dropped.add(id_)

    def _environment(self, command: Sequence[str]) -> int:
        """The id of the environment that a command runs in; it is dropped when it is new to the session."""
        program = command[0]
        if program not in self._environments:
            self._environments[program] = environment_config(Path.cwd(), command)
        record = self._environments[program]
        self._drop_once(contract.ENVIRONMENT_CONFIG, record["env_id"], record)
        return int(record["env_id"])

    def _baseline_id(self) -> str | None:
        """The baseline of this session's runs: its own, or the newest one of this hardware that is young enough."""
        if self._baseline is None:
            found = baselines.newest(
                self.place.landing, self.hardware["hw_id"], model=self._model, gpus=self._gpu.chosen
            )
            if found is None:
                self._tell(
                    f"No idle baseline of this host{self._of_gpus} from the last 24 hours: dynamic energy stays "
                    "unknown; measure one with `alems-collect baseline` while the host is idle"
                )
                return None
            self.place.drop(contract.IDLE_BASELINES, [found], datetime.now(UTC).date())
            self._baseline = found
        return str(self._baseline["baseline_id"])

    # Experiments

    @contextmanager
    def _running(
        self, subject: Subject, workflows: set[str], runs: int, command: Sequence[str]
    ) -> Iterator[tuple[_Experiment, Interruptions]]:
        """Keep the experiment's record true: running while entered, then what became of it, whatever happens."""
        with self._file.locked() if self._file else nullcontext():
            self._continue()
            experiment = self._experiment(subject, command)
            experiment.workflows |= workflows
            experiment.planned += runs
            self._drop_hardware()
            self._drop_experiment(experiment, "running", None)
            with Interruptions() as interruptions:
                try:
                    yield experiment, interruptions
                except BaseException as error:
                    with suppress(OSError):  # the disk may be full; what went wrong first is what is told
                        self._drop_experiment(experiment, "partial" if experiment.completed else "failed", str(error))
                    raise
                self.interrupted_by = interruptions.signal
                experiment.interrupted |= interruptions.signal is not None
                self._drop_experiment(experiment, experiment.final_status(), experiment.error)

    def _experiment(self, subject: Subject, command: Sequence[str]) -> _Experiment:
        """The session's experiment about a subject, whichever call began it. Raises OtherCountry."""
        names = (subject.experiment, subject.task, subject.model, subject.provider)
        source_id = "/".join((self.id, *(name or "" for name in names)))
        experiment = self._experiments.get(source_id)
        if experiment is None:
            experiment = _Experiment(subject, source_id, datetime.now(UTC), self._environment(command))
            self._experiments[source_id] = experiment
        country = experiment.subject.country
        if subject.country is not None and subject.country != country:
            if country is not None:
                raise OtherCountry(
                    f"{subject}: its session has runs of it in {country} and not {subject.country}; give --country "
                    f"{country}, or another --session"
                )
            experiment.subject = subject
        return experiment

    def _continue(self) -> None:
        """Take up a named session where the last call left it."""
        if self._file is not None and (kept := self._file.load(_Experiment.of)) is not None:
            self.id, experiments = kept
            self._experiments = {experiment.source_id: experiment for experiment in experiments}

    def _keep(self) -> None:
        """Keep a named session for the next call."""
        if self._file is not None:
            self._file.save(self.id, [experiment.kept() for experiment in self._experiments.values()])

    def _drop_experiment(self, experiment: _Experiment, status: str, error: str | None) -> None:
        self._keep()
        subject = experiment.subject
        record = {
            "exp_key": self._key(experiment),
            **self.place.source(),
            "source_exp_id": experiment.source_id,
            "name": subject.experiment,
            "workflow_type": experiment.workflow_type,
            "model_name": subject.model,
            "provider": subject.provider,
            "task_name": subject.task,
            "country_code": subject.country,
            "created_at": experiment.created_at,
            "group_id": self.id,
            "status": status,
            "started_at": experiment.started_at,
            "completed_at": None if status == "running" else experiment.ended_at,
            "error_message": error,
            "runs_completed": experiment.completed,
            "runs_total": experiment.planned,
            "hw_id": self.hardware["hw_id"],
            "env_id": experiment.env_id,
        }
        self.place.drop(contract.EXPERIMENTS, [record], experiment.created_at.date())

    def _key(self, experiment: _Experiment) -> int:
        return ids.exp_key(PRODUCER, self.place.host, experiment.source_id, experiment.created_at)

    # Runs

    def _run(
        self,
        experiment: _Experiment,
        workflow: Workflow,
        number: int,
        command: Sequence[str],
        interruptions: Interruptions,
        quiet: bool,
    ) -> RunResult:
        experiment.numbers[workflow] = number
        self._keep()  # before the run: a call that is killed must not leave its number to the next one
        run = Run(
            source_run_id=str(uuid7()),
            exp_key=self._key(experiment),
            workflow_type=workflow,
            run_number=number,
            command=command,
            model=experiment.subject.model,
            provider=experiment.subject.provider,
            columns={
                "hw_id": self.hardware["hw_id"],
                "env_id": self._environment(command),
                "baseline_id": self._baseline_id(),
                "is_cold_start": workflow not in experiment.warm,
            },
        )
        result = measure(
            run, self.host, self.place, self.clock, interruptions=interruptions, tell=self._tell, quiet=quiet
        )
        experiment.warm.add(workflow)
        experiment.add(result)
        return result

    def _warm_up(
        self, experiment: _Experiment, workflow: Workflow, command: Sequence[str], interruptions: Interruptions
    ) -> None:
        """Run a command without recording it. Whether it fails is found again by the runs that are recorded."""
        if interruptions.signal is not None:
            return
        environment = {name: value for name, value in os.environ.items() if name != "ALEMS_EVENTS"}
        with Path(os.devnull).open("wb") as nowhere, suppress(CannotStart):
            running = Command(command, environment, self.clock.now_ns, nowhere)
            interruptions.pass_on_to(running)
            while running.wait(POLL_S) is None:
                pass
            experiment.warm.add(workflow)
        interruptions.pass_on_to(None)


def all_sensors(
    sys: Path = Path("/sys"),
    proc: Path = Path("/proc"),
    watts: ModelWatts | None = None,
    gpu: GpuSensor | None = None,
) -> dict[str, Sensor]:
    """Every sensor that there is, by name, whether or not this host has its source."""
    sensors: tuple[Sensor, ...] = (
        RaplSensor(sys),
        CpuModelSensor(proc, watts),
        CpuSensor(sys, proc),
        InterruptsSensor(proc),
        ThermalSensor(sys),
        gpu or GpuSensor(),
    )
    return {sensor.name: sensor for sensor in sensors}


def _warnings(sensor: Sensor) -> Sequence[str]:
    """What an available sensor leaves out, and why."""
    with suppress(OSError, ValueError):  # told when a run's sampler opens it
        sensor.open()
    sensor.close()
    return sensor.warnings


def alternating(pairs: int) -> Iterator[tuple[int, Workflow]]:
    """The number and the form of each run of so many pairs: neither form always comes first."""
    for pair in range(1, pairs + 1):
        for workflow in PAIR if pair % 2 else PAIR[::-1]:
            yield pair, workflow
