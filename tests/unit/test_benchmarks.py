"""Every subject of `make bench` can be run; what it measures is not asserted here."""

import importlib
import inspect

import pytest

from tests.benchmarks.__main__ import SUBJECTS


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_has_figures_at_two_sizes(subject: str) -> None:
    module = importlib.import_module(f"tests.benchmarks.bench_{subject}")
    assert list(inspect.signature(module.figures).parameters) == ["small"]
