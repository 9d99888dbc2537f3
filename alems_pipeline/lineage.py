"""The lineage of one thing as a tree, and of runs and datasets as OpenLineage events."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, Literal

import duckdb
from rich.text import Text
from rich.tree import Tree

NAMESPACE: Final = "alems"
PRODUCER: Final = f"urn:alems-pipeline:{version('alems-pipeline')}"
SPEC: Final = "https://openlineage.io/spec"
RUN_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:alems-pipeline:runs")
"""Namespace of the UUIDs of runs whose own id is none."""

MAX_ALIKE: Final = 8
"""Of more things of one kind in one place the tree shows these, and counts the rest."""

UNFINISHED: Final = ("RUNNING", "SCHEDULED")
ENDINGS: Final = {"FAILED": "FAIL", "KILLED": "ABORT"}
"""States of runs as MLflow calls them, and the events that OpenLineage has for an end."""

Json = dict[str, Any]
Direction = Literal["from", "to"]
_MACROS: Final[dict[Direction, str]] = {"from": "lineage_up", "to": "lineage_down"}


class UnknownNode(LookupError):
    """Nothing of that name stands in the lineage, or more than one thing does."""


def find(con: duckdb.DuckDBPyConnection, text: str) -> tuple[str, str]:
    """Kind and id of what a person named: the id of a run, KIND:ID, or an id that only one thing has.

    Raises UnknownNode.
    """
    kind, _, rest = text.partition(":")
    rows = con.execute(
        "SELECT kind, id FROM main.lineage_nodes WHERE id = $text OR (kind = $kind AND id = $rest) ORDER BY kind, id",
        {"text": text, "kind": kind, "rest": rest},
    ).fetchall()
    best = [row for row in rows if row[0] == "run" and row[1] == text] or rows
    if len(best) == 1:
        return best[0][0], best[0][1]
    if best:
        raise UnknownNode(f"{text}: which of {', '.join(f'{kind}:{id_}' for kind, id_ in best)}?")
    raise UnknownNode(f'{text}: nothing has this id; `alems sql "SELECT id, label FROM v_run_lineage"` lists the runs')


# ---- a tree ----------------------------------------------------------------------------------------------------------


def lineage(con: duckdb.DuckDBPyConnection, kind: str, id_: str) -> Json:
    """What a thing is, what it was made from (`from`, nested), and what was made from it (`to`, nested)."""
    return _nested(con, "from", kind, id_) | _nested(con, "to", kind, id_)


def _nested(con: duckdb.DuckDBPyConnection, direction: Direction, kind: str, id_: str) -> Json:
    rows = con.execute(
        "SELECT kind, id, label, system, began_at, relation, via_kind, via_id "
        f"FROM main.{_MACROS[direction]}(?, ?) ORDER BY distance, kind, id, relation",
        [kind, id_],
    ).fetchall()
    following: dict[tuple[str | None, str | None], dict[tuple[str, str, str], Json]] = {}
    for *values, relation, via_kind, via_id in rows:
        node = dict(zip(("kind", "id", "label", "system", "began_at"), values, strict=True))
        node["began_at"] = _iso(node["began_at"])
        if relation is not None:
            node["relation"] = relation
        following.setdefault((via_kind, via_id), {})[node["kind"], node["id"], relation] = node

    def with_following(node: Json) -> Json:
        below = following.get((node["kind"], node["id"]), {})
        return node | {direction: [with_following(one) for one in below.values()]}

    [root] = following[None, None].values()
    return with_following(root)


def tree(of: Json) -> Tree:
    """The lineage for a person's eyes."""
    root = Tree(Text.assemble((of["kind"], "bold"), " ", _name(of)))
    for direction, title in (("from", "made from"), ("to", "gave")):
        if of[direction]:
            _grow(root.add(Text(title, style="green")), of[direction], direction)
    return root


def _grow(branch: Tree, nodes: list[Json], direction: str) -> None:
    shown: dict[tuple[str, str], int] = {}
    for node in nodes:
        alike = (node["kind"], node["relation"])
        shown[alike] = shown.get(alike, 0) + 1
        if shown[alike] <= MAX_ALIKE:
            line = Text.assemble((node["kind"], "cyan"), " ", _name(node), (f"  {node['relation']}", "dim"))
            _grow(branch.add(line), node[direction], direction)
    for (kind, relation), n in shown.items():
        if n > MAX_ALIKE:
            branch.add(Text(f"… and {n - MAX_ALIKE} more: {kind}, {relation}", style="dim"))


def _name(node: Json) -> str:
    label, id_ = node["label"], node["id"]
    return id_ if label in (None, "", id_) else f"{label} ({id_})"


# ---- OpenLineage -----------------------------------------------------------------------------------------------------


def events(con: duckdb.DuckDBPyConnection, run: str | None = None) -> Iterator[Json]:
    """OpenLineage events of the datasets and of all runs, or of one run and the datasets that it read.

    A run has one for its start, where that is known, and one for its end, where it has ended. Its inputs are the
    datasets and landing files that it was made from, its outputs what it left.
    """
    datasets = _datasets(con)
    rows = con.execute(
        "SELECT l.id, l.system, l.label, l.began_at, l.landing_files, l.datasets, l.artifacts, l.model_versions, "
        "l.from_runs, coalesce(make_timestamptz(r.end_time_ns // 1000), m.ended_at) AS ended_at, "
        "coalesce(m.status, CASE WHEN contains(r.quality_flags, '\"run_failed\"') THEN 'FAILED' "
        "WHEN contains(r.quality_flags, '\"run_partial\"') THEN 'KILLED' END) AS status, "
        "r.total_energy_uj, r.dynamic_energy_uj, r.energy_source, r.is_estimated, e.name AS experiment, "
        "e.task_name, r.workflow_type "
        "FROM main.v_run_lineage AS l LEFT JOIN main.runs AS r ON l.id = r.run_id::VARCHAR "
        "LEFT JOIN main.experiments AS e ON e.exp_id = r.exp_id LEFT JOIN mlflow.runs AS m ON m.run_uuid = l.id "
        "WHERE ? IS NULL OR l.id = ? ORDER BY l.began_at, l.id",
        [run, run],
    )
    names = [column[0] for column in rows.description or ()]
    runs = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    read = {dataset for one in runs for dataset in one["datasets"] or ()}
    for id_, dataset in datasets.items():
        if run is None or id_ in read:
            yield _dataset_event(dataset)
    jobs = {one["id"]: one for one in runs}
    for one in runs:
        end = _run_event(one, datasets, jobs)
        if one["began_at"] is not None:
            start: Json = {"eventType": "START", "eventTime": _iso(one["began_at"]), "inputs": [], "outputs": []}
            yield end | start
        if one["status"] not in UNFINISHED:
            yield end


def _datasets(con: duckdb.DuckDBPyConnection) -> dict[str, Json]:
    rows = con.execute(
        "SELECT n.id, coalesce(d.name, n.label), coalesce(d.digest, split_part(n.id, '@', -1)), d.columns_json, "
        "coalesce(d.recorded_at, n.began_at) FROM main.lineage_nodes AS n "
        "LEFT JOIN ml.datasets AS d ON d.name || '@' || d.digest = n.id WHERE n.kind = 'dataset' ORDER BY n.id"
    ).fetchall()
    columns = ("name", "digest", "columns_json", "recorded_at")
    return {id_: dict(zip(columns, values, strict=True)) for id_, *values in rows}


def _dataset_event(dataset: Json) -> Json:
    return {
        "eventTime": _iso(dataset["recorded_at"]) or _iso(datetime.fromtimestamp(0, UTC)),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": _dataset(dataset),
    }


def _dataset(dataset: Json) -> Json:
    facets = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", {"datasetVersion": dataset["digest"]})}
    if dataset["columns_json"]:
        fields = [{"name": one["name"], "type": one["type"]} for one in json.loads(dataset["columns_json"])]
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet", {"fields": fields})
    return {"namespace": NAMESPACE, "name": dataset["name"], "facets": facets}


def _run_event(run: Json, datasets: Mapping[str, Json], runs: Mapping[str, Json]) -> Json:
    began, ended = _iso(run["began_at"]), _iso(run["ended_at"] or run["began_at"])
    facets: Json = {}
    if began:
        nominal = {"nominalStartTime": began, "nominalEndTime": ended}
        facets["nominalTime"] = _facet("1-0-1/NominalTimeRunFacet", nominal)
    for parent in run["from_runs"] or ():
        if parent in runs:
            of = {"run": {"runId": run_uuid(parent)}, "job": {"namespace": NAMESPACE, "name": _job(runs[parent])}}
            facets["parent"] = _facet("1-2-0/ParentRunFacet", of)
    if run["total_energy_uj"] is not None:
        energy = ("total_energy_uj", "dynamic_energy_uj", "energy_source", "is_estimated")
        facets["alems_energy"] = _facet("2-0-2/OpenLineage", {name: run[name] for name in energy}, "RunFacet")
    job: Json = {"namespace": NAMESPACE, "name": _job(run), "facets": {}}
    return {
        "eventTime": ended or _iso(datetime.fromtimestamp(0, UTC)),
        "eventType": ENDINGS.get(run["status"], "COMPLETE"),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run_uuid(run["id"]), "facets": facets},
        "job": job,
        "inputs": [
            *(_dataset(datasets[id_]) for id_ in run["datasets"] or ()),
            *({"namespace": f"{NAMESPACE}.landing", "name": path} for path in run["landing_files"] or ()),
        ],
        "outputs": [
            *({"namespace": f"{NAMESPACE}.artifacts", "name": place} for place in run["artifacts"] or ()),
            *({"namespace": f"{NAMESPACE}.models", "name": version_} for version_ in run["model_versions"] or ()),
        ],
    }


def run_uuid(id_: str) -> str:
    """The UUID by which OpenLineage knows a run: MLflow's ids are UUIDs already, others are hashed to one."""
    try:
        return str(uuid.UUID(id_))
    except ValueError:
        return str(uuid.uuid5(RUN_IDS, id_))


def _job(run: Json) -> str:
    parts = [run["experiment"], run["task_name"], run["workflow_type"]] if run["experiment"] else [run["label"]]
    return ".".join(str(part) for part in parts if part) or run["id"]


def _facet(schema: str, values: Json, name: str | None = None) -> Json:
    folder = "" if name else "facets/"
    url = f"{SPEC}/{folder}{schema}.json#/$defs/{name or schema.split('/')[-1]}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
