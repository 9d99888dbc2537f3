"""The guide's twelve views of usage written anew for SQLite, and their agreement with ours."""

import math
import sqlite3
from datetime import datetime
from typing import Any

from tests.usage_warehouse import Usage

TWELVE = [f"v_{scope}_timeseries" for scope in ("ada", "project", "machine", "user")] + [
    f"v_{scope}_{kind}" for kind in ("totals", "averages") for scope in ("project", "machine", "group", "user")
]
TOLERANCE = 1e-9

TABLES = {
    "dim_group": "group_id INTEGER PRIMARY KEY, group_name TEXT UNIQUE",
    "dim_user": "user_id TEXT PRIMARY KEY, display_name TEXT, group_id INTEGER REFERENCES dim_group",
    "dim_project": "project_id INTEGER PRIMARY KEY, cloud_project_name TEXT UNIQUE",
    "dim_machine": "machine_id INTEGER PRIMARY KEY, machine_name TEXT UNIQUE",
    "fact_usage": "ts TEXT, scope TEXT, project_id INTEGER, machine_id INTEGER, user_id TEXT, "
    "busy_cpu_seconds_total REAL, idle_cpu_seconds_total REAL, busy_kwh REAL, idle_kwh REAL, busy_gCo2eq REAL, "
    "idle_gCo2eq REAL, intensity_gCo2eq_kwh REAL",
}
SEVEN = """busy_cpu_seconds_total, idle_cpu_seconds_total, busy_kwh, idle_kwh, busy_gCo2eq, idle_gCo2eq,
    CASE WHEN intensity_gCo2eq_kwh IS NOT NULL THEN intensity_gCo2eq_kwh
         WHEN (busy_kwh + idle_kwh) > 0 THEN (busy_gCo2eq + idle_gCo2eq) / (busy_kwh + idle_kwh)
    END AS intensity_gCo2eq_kwh"""
TOTALS = ", ".join(
    f"sum({name}) AS {name}"
    for name in (
        "busy_cpu_seconds_total",
        "idle_cpu_seconds_total",
        "busy_kwh",
        "idle_kwh",
        "busy_gCo2eq",
        "idle_gCo2eq",
    )
)
HOURS = "count(*) AS hours, count(CASE WHEN busy_kwh IS NULL THEN 1 END) AS unknown_hours"
AVERAGES = """avg(busy_kwh) AS avg_busy_energy_kwh, avg(idle_kwh) AS avg_idle_energy_kwh,
    avg(busy_gCo2eq) AS avg_busy_carbon_gCo2eq, avg(idle_gCo2eq) AS avg_idle_carbon_gCo2eq,
    avg(intensity_gCo2eq_kwh) AS avg_intensity_gCo2eq_kwh,
    CASE WHEN total((busy_kwh + idle_kwh) * (intensity_gCo2eq_kwh IS NOT NULL)) > 0
         THEN total((busy_kwh + idle_kwh) * intensity_gCo2eq_kwh)
              / total((busy_kwh + idle_kwh) * (intensity_gCo2eq_kwh IS NOT NULL))
    END AS weighted_intensity_gCo2eq_kwh"""
KEYS = {
    "project": ("project_id, cloud_project_name", "NATURAL JOIN dim_project"),
    "machine": ("machine_id, machine_name", "NATURAL JOIN dim_machine"),
    "user": ("user_id, display_name", "JOIN dim_user USING (user_id)"),
}
NAMES = {"project": "cloud_project_name", "machine": "machine_name", "user": "user_id", "group": "group_name"}


def oracle(usage: Usage) -> sqlite3.Connection:
    """The dimensions and facts in SQLite, and the guide's twelve views written for it."""
    con = sqlite3.connect(":memory:")
    con.row_factory = sqlite3.Row
    for table, declaration in TABLES.items():
        con.execute(f"CREATE TABLE {table} ({declaration})")
        columns = [row[1] for row in con.execute(f"PRAGMA table_info({table})")]
        rows = usage.rows(f"SELECT {', '.join(columns)} FROM main.{table}")
        values = [[_text(value) for value in row.values()] for row in rows]
        con.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in columns)})", values)
    con.execute(f"CREATE VIEW v_ada_timeseries AS SELECT ts, {SEVEN} FROM fact_usage WHERE scope = 'ada'")
    for scope, (keys, join) in KEYS.items():
        series = f"SELECT ts, {keys}, {SEVEN} FROM fact_usage {join} WHERE scope = '{scope}'"
        con.execute(f"CREATE VIEW v_{scope}_timeseries AS {series}")
        for kind, figures in (("totals", TOTALS), ("averages", AVERAGES)):
            con.execute(
                f"CREATE VIEW v_{scope}_{kind} AS SELECT {keys}, {figures}, {HOURS} FROM v_{scope}_timeseries "
                f"GROUP BY {keys}"
            )
    of_groups = """FROM v_user_timeseries JOIN dim_user USING (user_id) LEFT JOIN dim_group USING (group_id)
        GROUP BY dim_user.group_id"""
    for kind, figures in (("totals", TOTALS), ("averages", AVERAGES)):
        con.execute(
            f"CREATE VIEW v_group_{kind} AS SELECT dim_user.group_id, "
            f"ifnull(group_name, '(no group)') AS group_name, {figures}, {HOURS} {of_groups}"
        )
    return con


def agree(usage: Usage, view: str) -> int:
    """Assert that a view has the same columns and rows as SQLite's, to 1e-9; returns how many rows."""
    theirs = _keyed(view, [dict(row) for row in oracle(usage).execute(f"SELECT * FROM {view}")])
    ours = _keyed(view, usage.rows(f"SELECT * FROM main.{view}"))
    assert ours.keys() == theirs.keys()
    assert {tuple(row) for row in ours.values()} == {tuple(row) for row in theirs.values()}, "columns, in their order"
    for key, row in theirs.items():
        for column, value in row.items():
            found = ours[key][column]
            if isinstance(value, float):
                assert math.isclose(found, value, rel_tol=TOLERANCE, abs_tol=1e-12), (view, key, column, found, value)
            elif column != "ts":
                assert found == value, (view, key, column)
    return len(ours)


def _keyed(view: str, rows: list[dict[str, Any]]) -> dict[tuple[Any, Any], dict[str, Any]]:
    name = NAMES.get(view.split("_")[1])
    return {(row.get(name) if name else None, _text(row.get("ts"))): row for row in rows}


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
