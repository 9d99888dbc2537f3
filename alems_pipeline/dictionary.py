"""The data dictionary, made from what the code itself obeys: the landing contract and the files of sql/."""

from alems_pipeline import sql_files, tracked
from collectors.contract import DATASETS
from collectors.contract_tracking import TABLES

LAYER_TITLES = {
    "ddl": "The pipeline's books (schema `ops`)",
    "day": "Energies and telemetry reduced from the samples, a day at a time",
    "core": "Core: dimensions, experiments, runs, events",
    "marts": "Marts: what is computed from the core",
    "computed": "Statistics: what Python computes from the marts",
    "views": "Views",
}


def markdown() -> str:
    """The whole dictionary as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "Made by `make docs` from `collectors/contract.py` and `sql/`; not edited by hand. Units are in the names:",
        "`_uj` microjoule, `_j` joule, `_ns` nanosecond, `_ms` millisecond, `_mhz` megahertz, `_mb` mebibyte.",
        "",
    ]
    for layer, title in LAYER_TITLES.items():
        lines += [f"## {title}", ""]
        for file in sql_files.layer_files(layer):
            lines += [f"### {file.qualified_name}", "", file.description, ""]
            if file.depends:
                lines += [f"Made from {', '.join(f'`{name}`' for name in file.depends)}.", ""]
            if file.column_docs:
                lines += ["| column | meaning |", "|---|---|"]
                lines += [f"| {name} | {_cell(doc)} |" for name, doc in file.column_docs.items()]
                lines.append("")
    lines += [
        f"## Stores of experiment tracking together (schema `{tracked.SCHEMA}`)",
        "",
        "Views that say which landed rows count (`sql/tracked`). Their columns are those of `landing/mlflow_<name>`.",
        f"Of {' and '.join(f'`{name}`' for name in tracked.KEPT)}, also `removed_at`, when one was found to be gone.",
        "",
    ]
    lines += ["| view | a row is |", "|---|---|"]
    lines += [f"| {tracked.SCHEMA}.{name} | {_cell(tracked.meaning(dataset))} |" for name, dataset in TABLES.items()]
    lines.append("")
    lines += ["## Landing", "", "What a collector may drop; the records among them stand in `stage.<dataset>` too.", ""]
    for dataset in DATASETS.values():
        lines += [f"### landing/{dataset.name}", "", f"{dataset.doc} Key: {', '.join(dataset.key)}.", ""]
        lines += ["| column | type | required | meaning |", "|---|---|---|---|"]
        lines += [f"| {c.name} | {c.type} | {'yes' if c.required else ''} | {_cell(c.doc)} |" for c in dataset.columns]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown())
