"""The lineage of one thing as a tree, and of runs and datasets as OpenLineage events."""

import json
import uuid
from collections import Counter, deque
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
ENDINGS: Final = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "ABORT"}
"""States of runs as MLflow calls them, and the events that OpenLineage has for an end."""

_RUNS: Final = """
WITH known AS (
    SELECT
        runs.run_id::VARCHAR AS id,
        make_timestamptz(runs.end_time_ns // 1000) AS ended_at,
        CASE
            WHEN contains(runs.quality_flags, '"run_failed"') THEN 'FAILED'
            WHEN contains(runs.quality_flags, '"run_partial"') THEN 'KILLED'
            ELSE 'FINISHED'
        END AS status,
        concat_ws('.', experiments.name, experiments.task_name, runs.workflow_type) AS job,
        NULL AS parent
    FROM main.runs AS runs
    LEFT JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    UNION ALL
    SELECT run_uuid, ended_at, status, experiment_name, parent_run_uuid
    FROM main.tracked_runs
    UNION ALL
    SELECT schema_name || ':' || number, finished, CASE WHEN finished IS NOT NULL THEN 'FINISHED' END, NULL, NULL
    FROM stage.rcdb_runs
    QUALIFY row_number() OVER (PARTITION BY schema_name, number ORDER BY recorded_at DESC, landing_date DESC) = 1
    UNION ALL
    SELECT
        'inference:' || workflow_run_id,
        NULL,
        CASE
            WHEN conclusion = 'success' THEN 'FINISHED'
            WHEN conclusion = 'cancelled' THEN 'KILLED'
            WHEN conclusion IS NOT NULL THEN 'FAILED'
        END,
        name,
        NULL
    FROM inference.workflow_runs
)
SELECT
    runs.id,
    runs.system,
    runs.label,
    runs.began_at,
    known.ended_at,
    known.status,
    coalesce(nullif(known.job, ''), runs.label, runs.id) AS job,
    parent.id AS parent,
    coalesce(nullif(parent_known.job, ''), parent.label, parent.id) AS parent_job,
    runs.landing_files,
    runs.datasets,
    runs.artifacts,
    runs.model_versions,
    energy.total_energy_uj,
    energy.dynamic_energy_uj,
    energy.energy_source,
    energy.is_estimated
FROM main.v_run_lineage AS runs
LEFT JOIN known ON known.id = runs.id
LEFT JOIN main.lineage_nodes AS parent ON parent.kind = 'run' AND parent.id = known.parent AND parent.id <> runs.id
LEFT JOIN known AS parent_known ON parent_known.id = parent.id
LEFT JOIN main.runs AS energy ON energy.run_id::VARCHAR = runs.id
WHERE $run IS NULL OR runs.id = $run
ORDER BY runs.began_at, runs.id
"""

_NAMED: Final = ("id", "system", "label")
"""What the UUID of a run and the name of its job do not say."""

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
    """What a thing is, what it was made from (`from`, nested), and what was made from it (`to`, nested).

    What is reached on several ways is told of in full once in each; elsewhere it is a leaf, with `again`: true.
    """
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
        following.setdefault((via_kind, via_id), {})[node["kind"], node["id"], relation] = node | {direction: []}

    [root] = following[None, None].values()
    open_, told = deque([root]), {(kind, id_)}
    while open_:  # the nearest first, so that what is told of once is told of where the way to it is shortest
        node = open_.popleft()
        node[direction] = list(following.get((node["kind"], node["id"]), {}).values())
        for one in node[direction]:
            if (key := (one["kind"], one["id"])) not in told:
                told.add(key)
                open_.append(one)
            elif key in following:
                one["again"] = True
    return root


def tree(of: Json) -> Tree:
    """The lineage for a person's eyes."""
    root = Tree(Text.assemble((of["kind"], "bold"), " ", _name(of)))
    for direction, title in (("from", "made from"), ("to", "gave")):
        if of[direction]:
            _grow(root.add(Text(title, style="green")), of, direction)
    return root


def _grow(trunk: Tree, root: Json, direction: str) -> None:
    """Add what follows; in full where it is first shown, which may be elsewhere than in the JSON: that shows all."""
    full, open_ = {}, [root]
    while open_:
        node = open_.pop()
        if node[direction]:
            full[node["kind"], node["id"]] = node[direction]
            open_ += node[direction]
    told, growing = {(root["kind"], root["id"])}, deque([(trunk, root[direction])])
    while growing:
        branch, nodes = growing.popleft()
        shown = Counter[tuple[str, str]]()
        for node in nodes:
            alike, key = (node["kind"], node["relation"]), (node["kind"], node["id"])
            shown[alike] += 1
            if shown[alike] > MAX_ALIKE:
                continue
            line = Text.assemble((node["kind"], "cyan"), " ", _name(node), (f"  {node['relation']}", "dim"))
            below = branch.add(line)
            if key in full and key in told:
                line.append("  (in full elsewhere)", "dim")
            elif key in full:
                told.add(key)
                growing.append((below, full[key]))
        for (kind, relation), n in shown.items():
            if n > MAX_ALIKE:
                branch.add(Text(f"… and {n - MAX_ALIKE} more: {kind}, {relation}", style="dim"))


def _name(node: Json) -> str:
    label, id_ = node["label"], node["id"]
    return id_ if label in (None, "", id_) else f"{label} ({id_})"


# ---- OpenLineage -----------------------------------------------------------------------------------------------------


def events(con: duckdb.DuckDBPyConnection, run: str | None = None) -> Iterator[Json]:
    """OpenLineage events of the datasets and of all runs, or of one run and the datasets that it read.

    A run has one for its start, where that is known, and one for its end, where it has ended; one of type OTHER where
    nobody said whether it has. Its inputs are the datasets and landing files that it was made from, its outputs what
    it left; its parent is the run that it names as such.
    """
    datasets = _datasets(con)
    rows = con.execute(_RUNS, {"run": run})
    names = [column[0] for column in rows.description or ()]
    runs = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    read = {dataset for one in runs for dataset in one["datasets"] or ()}
    for id_, dataset in datasets.items():
        if run is None or id_ in read:
            yield _dataset_event(dataset)
    for one in runs:
        end = _run_event(one, datasets)
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


def _run_event(run: Json, datasets: Mapping[str, Json]) -> Json:
    began, ended = _iso(run["began_at"]), _iso(run["ended_at"])
    facets: Json = {"alems_run": _facet("2-0-2/OpenLineage", {name: run[name] for name in _NAMED}, "RunFacet")}
    if began:
        nominal = {"nominalStartTime": began} | ({"nominalEndTime": ended} if ended else {})
        facets["nominalTime"] = _facet("1-0-1/NominalTimeRunFacet", nominal)
    if run["parent"] is not None:
        of = {"run": {"runId": run_uuid(run["parent"])}, "job": {"namespace": NAMESPACE, "name": run["parent_job"]}}
        facets["parent"] = _facet("1-2-0/ParentRunFacet", of)
    if run["total_energy_uj"] is not None:
        energy = ("total_energy_uj", "dynamic_energy_uj", "energy_source", "is_estimated")
        facets["alems_energy"] = _facet("2-0-2/OpenLineage", {name: run[name] for name in energy}, "RunFacet")
    return {
        "eventTime": ended or began or _iso(datetime.fromtimestamp(0, UTC)),
        "eventType": ENDINGS.get(run["status"], "OTHER"),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run_uuid(run["id"]), "facets": facets},
        "job": {"namespace": NAMESPACE, "name": run["job"], "facets": {}},
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


def _facet(schema: str, values: Json, name: str | None = None) -> Json:
    folder = "" if name else "facets/"
    url = f"{SPEC}/{folder}{schema}.json#/$defs/{name or schema.split('/')[-1]}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
