"""Tests run pytest inside pytest, and in any order.

    RUNLOG_TEST_ORDER=1 python -m pytest

shuffles the tests by that seed; under pytest-xdist, too.
"""

from __future__ import annotations

import os
import random

import pytest
import syrupy

pytest_plugins = ["pytester"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seed = os.environ.get("RUNLOG_TEST_ORDER")
    if seed is not None:
        random.Random(seed).shuffle(items)  # noqa: S311 (no cryptography)


# With one of these pytest prints otherwise: a CI has summaries that are not cut, for one.
ENVIRONMENT = ("CI", "BUILD_NUMBER", "PY_COLORS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs a pytest that nothing outside of its test has an influence on."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    # Syrupy has one session per process: that of the inner pytest would hear of our tests.
    monkeypatch.setattr(syrupy, "_syrupy", syrupy._syrupy)
    return pytester
