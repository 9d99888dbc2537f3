"""Drops workspaces, users, groups, projects and machines from JSON or CSV files, or from a source that answers in JSON.

JSON: an object of lists (`workspaces`, `users`, `groups`, `projects`, `machines`, `user_projects`, `project_machines`),
or one such list. CSV: a file per list, told by its columns or by its name. An item with `deleted_at` deletes. Only what
has changed since the last collection is dropped.
"""

import csv
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from collectors.contract_usage import USAGE_DIRECTORY, USAGE_REJECTS, WORKSPACES
from collectors.dataset import Dataset
from collectors.drop import drop_rows
from collectors.sources.http_json import Credentials, JsonSource, SourceFailed
from collectors.sources.source_state import SourceState, load_source_state
from collectors.sources.usage_times import NoTime, landing_day, utc_time
from collectors.state_file import record_hash

SOURCE_SYSTEM: Final = "workspaces"
PRODUCER: Final = "alems-collect workspaces"
CREDENTIALS_PREFIX: Final = "ALEMS_WORKSPACES"
MAX_DETAIL: Final = 4_000

Item = Mapping[str, Any]

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "workspace_id": ("workspace_id", "id", "uuid"),
    "workspace_name": ("workspace_name", "name"),
    "state": ("state", "status"),
    "owner": ("user_id", "owner", "user", "platform_name"),
    "project": ("cloud_project_name", "project", "project_name"),
    "machine": ("machine_name", "machine", "machine_type", "flavor"),
    "host": ("host", "hostname", "ip_address", "ip"),
    "port": ("port",),
    "created_at": ("created_at", "created", "created_time"),
    "acquired_at": ("acquired_at", "acquired", "acquired_time", "claimed_at"),
    "deleted_at": ("deleted_at", "deleted", "deleted_time"),
    "tags": ("tags",),
    "user_id": ("user_id", "platform_name", "id", "name"),
    "display_name": ("display_name", "full_name", "name"),
    "group": ("group_name", "group"),
    "groups": ("groups",),
    "group_name": ("group_name", "name", "group"),
    "cloud_project_name": ("cloud_project_name", "name", "project", "project_name"),
    "machine_name": ("machine_name", "name", "machine", "machine_type"),
    "country_code": ("country_code", "country"),
    "busy_watts": ("busy_watts",),
    "idle_watts": ("idle_watts",),
    "valid_from": ("valid_from", "since"),
}
"""What is asked for -> the names under which sources give it, the first that is there counting."""


@dataclass(slots=True)
class WorkspacesSummary:
    """What one collection did."""

    rows: dict[str, int] = field(default_factory=dict)  # kind of item -> dropped; unchanged ones are not
    unchanged: int = 0
    rejected: int = 0
    files: list[Path] = field(default_factory=list)


class _Rejected(ValueError):
    """An item that cannot be understood; the message says why, without naming its values."""


def collect(
    origin: str, landing: Path, *, now: datetime | None = None, source: JsonSource | None = None
) -> WorkspacesSummary:
    """Drop what is new in a file or at an http(s) URL. Raises SourceFailed, DropFailed.

    `source` replaces the client by which a URL is asked.
    """
    now = now or datetime.now(UTC)
    lists = _read_url(source or _client(origin)) if "://" in origin else _read_file(Path(origin))
    state = load_source_state(landing, SOURCE_SYSTEM, origin)
    summary = WorkspacesSummary()
    pending: dict[tuple[str, date], list[dict[str, Any]]] = {}
    rejects = []
    for kind, items in lists.items():
        things: dict[str, list[dict[str, Any]]] = {}
        for item in items:
            try:
                record = _record(kind, item) | {"source_system": SOURCE_SYSTEM, "recorded_at": now}
            except (_Rejected, NoTime) as problem:
                reason = f"{kind}: a time {problem.rule}" if isinstance(problem, NoTime) else f"{kind}: {problem}"
                rejects.append(_reject(kind, item, reason, now))
                continue
            things.setdefault(json.dumps([kind, *(record.get(name) for name in _identity(kind))]), []).append(record)
        for thing, records in things.items():
            if not _is_news(kind, thing, records, state, now):
                summary.unchanged += len(records)
                continue
            summary.rows[kind] = summary.rows.get(kind, 0) + len(records)
            for record in records:
                dataset, day = _place(kind, record, now)
                pending.setdefault((dataset.name, day), []).append(record)
    if rejects:
        pending[(USAGE_REJECTS.name, now.date())] = rejects
        summary.rejected = len(rejects)
    datasets = {d.name: d for d in (WORKSPACES, USAGE_DIRECTORY, USAGE_REJECTS)}
    for (name, day), records in pending.items():
        path = drop_rows(landing, datasets[name], records, host=socket.gethostname(), producer=PRODUCER, date=day)
        if path is not None:
            summary.files.append(path)
            state.last_files = [str(path.relative_to(landing))]
    state.save()
    return summary


# ---- reading ---------------------------------------------------------------------------------------------------------


def _client(origin: str) -> JsonSource:
    return JsonSource(origin, Credentials.from_environment(CREDENTIALS_PREFIX))


def _read_url(source: JsonSource) -> dict[str, list[Any]]:
    return _lists(source.url, source.get().content)


def _read_file(path: Path) -> dict[str, list[Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceFailed(f"{path}: not readable ({reason}); give a JSON or CSV file in UTF-8") from error
    if path.suffix.lower() == ".csv":
        rows: list[Any] = [{k: v for k, v in row.items() if k and v != ""} for row in csv.DictReader(text.splitlines())]
        return {_kind_of_list(path.stem, rows): rows}
    try:
        return _lists(str(path), json.loads(text))
    except ValueError as error:
        raise SourceFailed(f"{path}: no JSON ({error}); give a JSON or CSV file") from error


def _lists(origin: str, content: object) -> dict[str, list[Any]]:
    if isinstance(content, list):
        return {_kind_of_list(Path(origin).stem, content): content}
    lists = (
        {k: v for k, v in content.items() if k in KINDS and isinstance(v, list)} if isinstance(content, dict) else {}
    )
    if not lists:
        raise SourceFailed(f"{origin}: none of the lists {', '.join(KINDS)} is in it; name one of them")
    return lists


def _kind_of_list(name: str, items: list[Any]) -> str:
    """By the list's name, else by what only items of that kind have."""
    if name in KINDS:
        return name
    keys = {key for item in items[:100] if isinstance(item, Mapping) for key in item}
    for kind, telling in (
        ("workspaces", {"workspace_id", "acquired_at", "acquired", "owner", "state"}),
        ("users", {"groups", "display_name", "platform_name"}),
        ("machines", {"busy_watts", "idle_watts"}),
        ("users", {"user_id", "group_name"}),
    ):
        if keys & telling and (len(telling) > 2 or telling <= keys or kind == "machines"):
            return kind
    if not items:
        return "workspaces"
    raise SourceFailed(f"{name}: a list of what? name the file after one of {', '.join(KINDS)}")


# ---- records ---------------------------------------------------------------------------------------------------------


def _record(kind: str, item: object) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise _Rejected("not an object; give each item as one")
    return KINDS[kind](item)


def _workspace(item: Item) -> dict[str, Any]:
    tags = _tags(item)
    owner, project = _owner(item), _text(item, "project") or _first(tags, NAMES["project"])
    record = {
        "workspace_id": _required_text(item, "workspace_id"),
        "workspace_name": _text(item, "workspace_name"),
        "state": _text(item, "state"),
        "user_id": owner or _first(tags, ("owner", "user")),
        "cloud_project_name": project,
        "machine_name": _text(item, "machine") or _first(tags, NAMES["machine"]),
        "host": _text(item, "host") or _first(tags, NAMES["host"]),
        "port": _integer(item, "port"),
        "created_at": _time(item, "created_at"),
        "acquired_at": _time(item, "acquired_at"),
        "deleted_at": _time(item, "deleted_at"),
        "tags_json": json.dumps(tags, sort_keys=True, default=str) if tags else None,
    }
    if record["created_at"] is None:
        raise _Rejected("no created_at; without it nothing can be attributed to it")
    return record


def _user(item: Item) -> dict[str, Any]:
    groups = [str(group) for group in _list(_value(item, "groups"))]
    return _statement("user", item) | {
        "user_id": _required_text(item, "user_id"),
        "display_name": _text(item, "display_name"),
        "group_name": _text(item, "group") or (groups[0] if groups else None),
        "groups_json": json.dumps(groups) if groups else None,
    }


def _group(item: Item) -> dict[str, Any]:
    return _statement("group", item) | {"group_name": _required_text(item, "group_name")}


def _project(item: Item) -> dict[str, Any]:
    return _statement("project", item) | {"cloud_project_name": _required_text(item, "cloud_project_name")}


def _machine(item: Item) -> dict[str, Any]:
    return _statement("machine", item) | {
        "machine_name": _required_text(item, "machine_name"),
        "country_code": _text(item, "country_code"),
        "busy_watts": _watts(item, "busy_watts"),
        "idle_watts": _watts(item, "idle_watts"),
    }


def _user_project(item: Item) -> dict[str, Any]:
    return _statement("user_project", item) | {
        "user_id": _required_text(item, "owner"),
        "cloud_project_name": _required_text(item, "project"),
    }


def _project_machine(item: Item) -> dict[str, Any]:
    return _statement("project_machine", item) | {
        "cloud_project_name": _required_text(item, "project"),
        "machine_name": _required_text(item, "machine"),
    }


KINDS: Final[dict[str, Callable[[Item], dict[str, Any]]]] = {
    "workspaces": _workspace,
    "users": _user,
    "groups": _group,
    "projects": _project,
    "machines": _machine,
    "user_projects": _user_project,
    "project_machines": _project_machine,
}
"""The lists that a source may give, and what makes a record of an item."""


def _statement(kind: str, item: Item) -> dict[str, Any]:
    return {"kind": kind, "valid_from": _time(item, "valid_from"), "deleted_at": _time(item, "deleted_at")}


def _is_news(kind: str, thing: str, records: list[dict[str, Any]], state: SourceState, now: datetime) -> bool:
    """Whether what is listed of a thing differs from what was dropped; a change counts from now on, unless it says
    since when. Of a workspace that is news the pipeline reads the change off the whole list, its history included.
    """
    listed, before = " ".join(sorted(map(record_hash, records))), state.records.get(thing)
    state.records[thing] = listed
    if before not in (None, listed) and kind != "workspaces":
        for record in records:
            if not (record["valid_from"] or record["deleted_at"]):
                record["valid_from"] = now
    return before != listed


def _identity(kind: str) -> tuple[str, ...]:
    """What tells one item from another; a workspace that somebody else takes over is the same workspace."""
    return {
        "workspaces": ("workspace_id",),
        "users": ("user_id",),
        "groups": ("group_name",),
        "projects": ("cloud_project_name",),
        "machines": ("machine_name",),
        "user_projects": ("user_id", "cloud_project_name"),
        "project_machines": ("cloud_project_name", "machine_name"),
    }[kind]


def _place(kind: str, record: dict[str, Any], now: datetime) -> tuple[Dataset, date]:
    """Dataset and day: a workspace lands on the day of its creation, a statement on the day on which it was made."""
    if kind == "workspaces":
        return WORKSPACES, landing_day(record["created_at"], now)
    return USAGE_DIRECTORY, now.date()


def _reject(kind: str, item: object, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "source_system": SOURCE_SYSTEM,
        "recorded_at": now,
        "dataset": WORKSPACES.name if kind == "workspaces" else USAGE_DIRECTORY.name,
        "reason": reason,
        "detail": json.dumps(item, sort_keys=True, default=str)[:MAX_DETAIL],
    }


# ---- values ----------------------------------------------------------------------------------------------------------


def _value(item: Item, what: str) -> Any:
    return _first_value(item, NAMES[what])


def _first_value(item: Item, names: Iterable[str]) -> Any:
    return next((item[name] for name in names if item.get(name) not in (None, "")), None)


def _first(tags: Item, names: Iterable[str]) -> str | None:
    value = _first_value(tags, names)
    return str(value) if isinstance(value, str | int) else None


def _text(item: Item, what: str) -> str | None:
    value = _value(item, what)
    if value is None:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _Rejected(f"{what} is no text; give it as one")
    return str(value)


def _required_text(item: Item, what: str) -> str:
    value = _text(item, what)
    if value is None:
        raise _Rejected(f"no {what}; give one of {', '.join(NAMES[what])}")
    return value


def _owner(item: Item) -> str | None:
    """The owner's id; some sources give the owner as an object of its own."""
    value = _value(item, "owner")
    if isinstance(value, Mapping):
        return _text(value, "user_id")
    return _text(item, "owner")


def _time(item: Item, what: str) -> datetime | None:
    value = _value(item, what)
    return None if value is None else utc_time(value)


def _integer(item: Item, what: str) -> int | None:
    value = _value(item, what)
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise _Rejected(f"{what} is no number") from None


def _watts(item: Item, what: str) -> float | None:
    value = _value(item, what)
    try:
        watts = None if value is None else float(value)
    except (TypeError, ValueError):
        raise _Rejected(f"{what} is no number of watts") from None
    if watts is not None and not 0 <= watts < 100_000:
        raise _Rejected(f"{what} is outside 0 … 100,000 W")
    return watts


def _list(value: object) -> list[Any]:
    """A list, also one that CSV can hold: a;b."""
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    if not isinstance(value, list):
        raise _Rejected("groups are no list; give them as one")
    return [group.get("name") if isinstance(group, Mapping) else group for group in value]


def _tags(item: Item) -> dict[str, Any]:
    """Tags as a mapping: given as an object, as a list of {key, value}, or as JSON text in CSV."""
    value = _value(item, "tags")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise _Rejected("tags are no JSON; give an object or a list of {key, value}") from None
    if isinstance(value, list) and all(isinstance(tag, Mapping) for tag in value):
        return {str(tag.get("key") or tag.get("name")): tag.get("value") for tag in value}
    if isinstance(value, Mapping):
        return dict(value)
    if value is None:
        return {}
    return {"tags": value}
