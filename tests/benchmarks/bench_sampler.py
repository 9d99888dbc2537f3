"""What 100 Hz sampling costs: `make bench`, or `python -m tests.benchmarks.bench_sampler [seconds]`.

A fake host is sampled and drained as a session does it. Beside it stands the bare
equivalent, measured just before and after: a thread that only wakes 100 times a second. On an otherwise idle machine
most of the cost is that of waking up with cold caches, which differs between machines; the ratio says what is ours.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from collectors.clock import Clock
from collectors.sampler import Sampler
from collectors.sensors.rapl import RaplSensor
from tests.benchmarks.figures import Figure
from tests.unit.fake_host import FakeHost

SECONDS = 20.0
TARGET_PERCENT = 0.5
DRAIN_EVERY_S = 5.0
PERIOD_S = 0.01
WARM_UP_S = 1.0
READINGS_PER_HOUR = 360_000
NOISE_KIB = 256


def figures(small: bool) -> list[Figure]:
    """The rows of the benchmark table."""
    seconds = 2.0 if small else SECONDS
    growth = memory_growth_kib(1_000 if small else READINGS_PER_HOUR)
    return [
        *(figure for sockets in (1, 2) for figure in _rows(sockets, run(seconds, sockets))),
        Figure("memory growth over the readings of an hour", f"{growth:+} KiB", "none", met=growth < NOISE_KIB),
    ]


def run(seconds: float = SECONDS, sockets: int = 1) -> dict[str, float]:
    """CPU in percent of a core, jitter in ms, memory growth in KiB; takes about 1.5 times `seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        host = FakeHost(Path(folder) / "host")
        host.laptop() if sockets == 1 else host.two_socket_server()
        sampler = Sampler(RaplSensor(host.sys), Clock())
        bare_before = _cpu_percent(lambda: _wake(seconds / 4))
        sampler.start()
        _drain_for(sampler, WARM_UP_S)
        rss_before = _rss_kib()
        cpu_percent = _cpu_percent(lambda: _drain_for(sampler, seconds))
        rss_growth = _rss_kib() - rss_before
        sampler.stop()
        bare_after = _cpu_percent(lambda: _wake(seconds / 4))
    stats = sampler.stats
    bare_percent = (bare_before + bare_after) / 2
    return {
        "seconds": seconds,
        "cpu_percent": cpu_percent,
        "bare_wakeup_percent": bare_percent,
        "ratio": cpu_percent / bare_percent,
        "target_percent": TARGET_PERCENT,
        "interval_p50_ms": stats.interval_p50_ms or 0.0,
        "interval_p99_ms": stats.interval_p99_ms or 0.0,
        "interval_max_ms": stats.interval_max_ms or 0.0,
        "skipped_ticks": float(stats.skipped_ticks),
        "rss_growth_kib": float(rss_growth),
    }


def memory_growth_kib(readings: int = READINGS_PER_HOUR) -> int:
    """Growth of resident memory over so many readings of a two-socket server, one after the other, drained as usual."""
    with tempfile.TemporaryDirectory() as folder:
        host = FakeHost(Path(folder) / "host")
        host.two_socket_server()
        sampler = Sampler(RaplSensor(host.sys), Clock())
        sampler.sensor.open()
        _read_and_drain(sampler, READINGS_PER_HOUR // 60)  # the pools of the interpreter and of Arrow fill up
        before = _rss_kib()
        _read_and_drain(sampler, readings)
        growth = _rss_kib() - before
        sampler.sensor.close()
    return growth


def _read_and_drain(sampler: Sampler, readings: int) -> None:
    per_drain = round(DRAIN_EVERY_S / PERIOD_S)
    for reading in range(readings):
        sampler._sample()
        if reading % per_drain == 0:
            sampler.drain()


def _rows(sockets: int, measured: dict[str, float]) -> list[Figure]:
    counters = {1: "one socket, 4 counters", 2: "two sockets, 8 counters and psys"}[sockets]
    intervals = " · ".join(f"{measured[f'interval_{q}_ms']:.2f}" for q in ("p50", "p99", "max"))
    return [
        Figure(
            name=f"100 Hz RAPL sampling, {counters}",
            measured=f"{measured['cpu_percent']:.2f} % of a core ({measured['ratio']:.1f} ×)",
            target=f"≤ {TARGET_PERCENT:g} %",
            bare=f"{measured['bare_wakeup_percent']:.2f} % (only waking up)",
            memory=f"{measured['rss_growth_kib']:+.0f} KiB in {measured['seconds']:.0f} s",
            met=measured["cpu_percent"] <= TARGET_PERCENT,
        ),
        Figure("  its interval: p50 · p99 · max", f"{intervals} ms, {measured['skipped_ticks']:.0f} ticks skipped"),
    ]


def _drain_for(sampler: Sampler, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, DRAIN_EVERY_S))
        sampler.drain()


def _wake(seconds: float) -> None:
    def loop() -> None:
        for _ in range(round(seconds / PERIOD_S)):
            time.sleep(PERIOD_S)

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()


def _cpu_percent(work: Callable[[], None]) -> float:
    """CPU time of the whole process during `work`, in percent of a core."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    return 100 * (time.process_time() - cpu) / (time.monotonic() - wall)


def _rss_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    for sockets in (1, 2):
        print(f"{'sockets':20} {sockets:6}")
        for name, value in run(seconds, sockets).items():
            print(f"{name:20} {value:10.3f}")
    print(f"{'hour_growth_kib':20} {memory_growth_kib():6}")


if __name__ == "__main__":
    main()
