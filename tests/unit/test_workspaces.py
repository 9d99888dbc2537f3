"""Collecting workspaces and the directory: the forms in which sources give them, and what of it is news."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from collectors.cli import app
from collectors.sources.http_json import SourceFailed
from collectors.sources.workspaces import collect
from tests.http_server import Reply, serving

NOW = datetime(2026, 1, 21, 12, tzinfo=UTC)
CREATED = datetime(2026, 1, 10, 8, tzinfo=UTC)

WORKSPACE = {
    "id": "ws-1",
    "name": "analysis",
    "state": "CLAIMED",
    "owner": "u1",
    "host": "10.0.0.7",
    "created": "2026-01-10T08:00Z",
    "acquired": "2026-01-10T09:30:00+01:00",
    "tags": [{"key": "project", "value": "fusion"}, {"key": "machine_type", "value": "m5.large"}],
}


def landed(landing: Path, dataset: str) -> list[dict[str, Any]]:
    """What of each row is known, and its landing date."""
    return [
        {name: value for name, value in row.items() if value is not None}
        | {"landed": path.parent.name.removeprefix("date=")}
        for path in sorted(landing.glob(f"{dataset}/*/*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


def write(folder: Path, content: Any, name: str = "cloud.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_workspace_is_read_with_its_tags(tmp_path: Path) -> None:
    collect(write(tmp_path, [WORKSPACE]), tmp_path / "landing", now=NOW)
    [row] = landed(tmp_path / "landing", "workspaces")
    assert json.loads(row.pop("tags_json")) == {"project": "fusion", "machine_type": "m5.large"}
    assert row == {
        "source_system": "workspaces",
        "recorded_at": NOW,
        "workspace_id": "ws-1",
        "workspace_name": "analysis",
        "state": "CLAIMED",
        "user_id": "u1",
        "cloud_project_name": "fusion",
        "machine_name": "m5.large",
        "host": "10.0.0.7",
        "created_at": CREATED,
        "acquired_at": datetime(2026, 1, 10, 8, 30, tzinfo=UTC),
        "landed": "2026-01-10",
    }


def test_the_directory_is_read_from_lists_side_by_side(tmp_path: Path) -> None:
    lists = {
        "users": [{"platform_name": "u1", "full_name": "Ann", "groups": ["physics", "staff"]}, {"user_id": "u2"}],
        "groups": [{"name": "physics"}],
        "projects": [{"name": "fusion", "deleted_at": "2026-01-20T00:00Z"}],
        "machines": [{"machine_type": "m5.large", "busy_watts": 20, "idle_watts": "2.5", "country": "FR"}],
        "user_projects": [{"user": "u1", "project": "fusion", "since": "2025-12-01T00:00Z"}],
        "project_machines": [{"project": "fusion", "machine": "m5.large"}],
    }
    summary = collect(write(tmp_path, lists), tmp_path / "landing", now=NOW)
    rows = landed(tmp_path / "landing", "usage_directory")
    assert {row.pop("landed") for row in rows} == {"2026-01-21"}
    assert all(row.pop("source_system") == "workspaces" and row.pop("recorded_at") == NOW for row in rows)
    assert rows == [
        {"kind": "user", "user_id": "u1", "display_name": "Ann", "group_name": "physics",
         "groups_json": '["physics", "staff"]'},
        {"kind": "user", "user_id": "u2"},
        {"kind": "group", "group_name": "physics"},
        {"kind": "project", "cloud_project_name": "fusion", "deleted_at": datetime(2026, 1, 20, tzinfo=UTC)},
        {"kind": "machine", "machine_name": "m5.large", "busy_watts": 20.0, "idle_watts": 2.5, "country_code": "FR"},
        {"kind": "user_project", "user_id": "u1", "cloud_project_name": "fusion",
         "valid_from": datetime(2025, 12, 1, tzinfo=UTC)},
        {"kind": "project_machine", "cloud_project_name": "fusion", "machine_name": "m5.large"},
    ]  # fmt: skip
    assert summary.rows == {"users": 2, "groups": 1, "projects": 1, "machines": 1, "user_projects": 1,
                            "project_machines": 1}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "dataset", "expected"),
    [
        (
            "workspaces.csv",
            "workspace_id,state,owner,host,created_at,deleted_at\nws-1,READY,u1,h1,2026-01-10T08:00Z,\n",
            "workspaces",
            {"workspace_id": "ws-1", "user_id": "u1", "host": "h1", "created_at": CREATED},
        ),
        (
            "export.csv",  # told by its columns
            "user_id,display_name,groups\nu1,Ann,physics;staff\n",
            "usage_directory",
            {"kind": "user", "user_id": "u1", "group_name": "physics"},
        ),
        (
            "user_projects.csv",
            "user_id,cloud_project_name\nu1,fusion\n",
            "usage_directory",
            {"kind": "user_project", "user_id": "u1", "cloud_project_name": "fusion"},
        ),
    ],
)
def test_csv_is_read_too(tmp_path: Path, name: str, text: str, dataset: str, expected: dict[str, Any]) -> None:
    collect(write(tmp_path, "\ufeff" + text, name), tmp_path / "landing", now=NOW)
    [row] = landed(tmp_path / "landing", dataset)
    assert {key: row[key] for key in expected} == expected


def test_only_news_is_dropped(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    users = {"users": [{"user_id": "u1", "group": "physics"}, {"user_id": "u2", "group": "physics"}]}
    origin = write(tmp_path, users)
    assert collect(origin, landing, now=NOW).rows == {"users": 2}
    again = collect(origin, landing, now=NOW + timedelta(hours=1))
    assert (again.rows, again.unchanged) == ({}, 2)
    users["users"][0]["group"] = "chemistry"
    write(tmp_path, users)
    later = NOW + timedelta(hours=2)
    assert collect(origin, landing, now=later).rows == {"users": 1}
    *_, newest = landed(landing, "usage_directory")
    assert (newest["group_name"], newest["valid_from"]) == ("chemistry", later), "a change counts from when it was seen"
    for path in landing.rglob("*.parquet"):
        path.unlink()
    assert collect(origin, landing, now=later).rows == {"users": 2}, "an emptied landing is filled again"


def test_a_new_holder_of_a_workspace_is_a_row_beside_the_old_one(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    origin = write(tmp_path, [WORKSPACE])
    collect(origin, landing, now=NOW)
    write(tmp_path, [WORKSPACE | {"owner": "u2", "acquired": "2026-01-20T00:00Z"}])
    collect(origin, landing, now=NOW + timedelta(hours=1))
    assert [row["user_id"] for row in landed(landing, "workspaces")] == ["u1", "u2"]


def test_every_release_is_news_and_a_history_that_stays_the_same_is_none(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    pooled = {name: value for name, value in WORKSPACE.items() if name not in ("owner", "acquired")}
    for hour, item in enumerate([pooled, WORKSPACE, pooled, WORKSPACE | {"owner": "u2"}, pooled, pooled]):
        collect(write(tmp_path, [item]), landing, now=NOW + timedelta(hours=hour))
    found = sorted(landed(landing, "workspaces"), key=lambda row: row["recorded_at"])
    assert [row.get("user_id") for row in found] == [None, "u1", None, "u2", None]
    told = [WORKSPACE, WORKSPACE | {"owner": "u2", "acquired": "2026-01-20T00:00Z"}]
    history = write(tmp_path, told, "workspaces.json")
    assert collect(history, landing, now=NOW).rows == {"workspaces": 2}
    write(tmp_path, told[::-1], "workspaces.json")
    assert collect(history, landing, now=NOW).rows == {}, "in another order it says the same"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"id": "ws", "owner": "u", "state": "READY"}, "no created_at"),
        ({"owner": "u", "state": "READY", "created": "2026-01-10T08:00Z"}, "no workspace_id"),
        ({"id": "ws", "owner": "u", "created": "2026-01-10T08:00"}, "a time has no zone"),
        ({"id": "ws", "owner": "u", "created": "2026-01-10T08:00Z", "port": "ssh"}, "port is no number"),
        ({"id": "ws", "owner": ["u"], "created": "2026-01-10T08:00Z"}, "owner is no text"),
        ({"id": "ws", "owner": "u", "created": "2026-01-10T08:00Z", "tags": "{"}, "tags are no JSON"),
    ],
)
def test_what_cannot_be_understood_is_kept_aside(tmp_path: Path, item: dict[str, Any], reason: str) -> None:
    summary = collect(write(tmp_path, {"workspaces": [item, WORKSPACE]}), tmp_path / "landing", now=NOW)
    assert summary.rows == {"workspaces": 1}
    [reject] = landed(tmp_path / "landing", "usage_rejects")
    assert reason in reject["reason"]
    assert json.loads(reject["detail"]) == item


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"name": "m", "busy_watts": "a lot"}, "busy_watts is no number of watts"),
        ({"name": "m", "idle_watts": -1}, "idle_watts is outside 0"),
        ("m", "not an object"),
    ],
)
def test_machines_that_cannot_be_are_kept_aside(tmp_path: Path, item: Any, reason: str) -> None:
    collect(write(tmp_path, {"machines": [item]}), tmp_path / "landing", now=NOW)
    [reject] = landed(tmp_path / "landing", "usage_rejects")
    assert reason in reject["reason"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "no JSON"),
        ("a.json", '{"servers": []}', "none of the lists"),
        ("a.json", '[{"x": 1}]', "a list of what"),
        ("missing.json", None, "not readable"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    origin = str(tmp_path / name) if content is None else write(tmp_path, content, name)
    with pytest.raises(SourceFailed, match=said):
        collect(origin, tmp_path / "landing", now=NOW)


def test_a_web_address_is_asked_with_the_token_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEMS_WORKSPACES_TOKEN", "s3cret")
    with serving(lambda request: Reply({"workspaces": [WORKSPACE]})) as server:
        result = CliRunner().invoke(
            app, ["workspaces", f"{server.url}/workspaces", "--landing", str(tmp_path / "landing")]
        )
        assert server.requests[0].headers["Authorization"] == "Bearer s3cret"
    assert result.exit_code == 0, result.output
    assert "1 workspaces; 0 unchanged" in result.output
    assert "s3cret" not in result.output
    assert len(landed(tmp_path / "landing", "workspaces")) == 1
