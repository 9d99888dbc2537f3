"""Fixtures that several unit tests share."""

from pathlib import Path

import pytest

from tests.unit.fake_host import FakeHost


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with nothing in /sys and /proc but what a test writes there."""
    return FakeHost(tmp_path)
