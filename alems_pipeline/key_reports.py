"""What `alems keys` says: which names no registry knows, and which rule resolves a name to what."""

from collections.abc import Sequence

from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alems_pipeline.warehouse import NotPublished, Warehouse

UNMAPPED = """
    SELECT kind, raw_value, n_rows, first_seen::DATE AS first_seen, last_seen::DATE AS last_seen, example_path
    FROM ops.unmapped_keys ORDER BY kind, n_rows DESC, raw_value"""
SEEN = """
    SELECT kind, source, rule, key, n_rows, example_path
    FROM main.key_names WHERE raw_value = ? ORDER BY kind, source, rule"""


def show_unmapped(files: Warehouse, out: Console) -> None:
    """Names that no registry knows, the most frequent first."""
    with files.read() as con:
        rows = con.execute(UNMAPPED).fetchall()
    if not rows:
        out.print("Every name resolves.")
        return
    _show(out, ("kind", "raw value", "rows", "first seen", "last seen", "example"), rows)
    out.print("A line in sql/registry maps them, then `alems materialize`: history is mapped anew.", highlight=False)


def show_explanation(raw: str, files: Warehouse, out: Console) -> None:
    """What a name resolves to as each kind, by which rule of the registry as it is now; and where it was seen."""
    from alems_pipeline.keys.names import explain
    from alems_pipeline.keys.registry import read_registry

    found = explain(raw, read_registry())
    rows = [(kind, one.key, one.rule or "no rule: not in the registry") for kind, one in found.items()]
    _show(out, ("as a", "key", "rule"), rows)
    try:
        with files.read() as con:
            seen = con.execute(SEEN, [raw]).fetchall()
    except NotPublished:
        return
    if seen:
        _show(out, ("kind", "seen in", "rule then", "key then", "rows", "example"), seen)
    else:
        out.print("The published file has no row that names it.")


def _show(out: Console, columns: tuple[str, ...], rows: Sequence[Sequence[object]]) -> None:
    table = Table(box=HEAVY_HEAD if out.is_terminal else None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("–" if value is None else "(none given)" if value == "" else str(value)) for value in row))
    out.print(table)
