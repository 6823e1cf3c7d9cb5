"""Tests run pytest inside pytest."""

from __future__ import annotations

import pytest
import syrupy

pytest_plugins = ["pytester"]


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Syrupy has one session per process: that of the inner pytest would hear of our tests."""
    monkeypatch.setattr(syrupy, "_syrupy", syrupy._syrupy)
    return pytester
