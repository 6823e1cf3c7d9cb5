"""Tests run pytest inside pytest."""

from __future__ import annotations

import pytest
import syrupy

pytest_plugins = ["pytester"]


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
