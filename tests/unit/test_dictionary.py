"""docs/data_dictionary.md is what `make docs` would write now."""

from pathlib import Path

from alems_pipeline.dictionary import markdown

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_dictionary_is_current() -> None:
    committed = (ROOT / "docs" / "data_dictionary.md").read_text()
    assert committed.strip() == markdown().strip(), "run `make docs` and commit the result"
