"""What an inner pytest imports is imported here first, so that all inner sessions share it."""

from __future__ import annotations

import asyncio

import freezegun  # noqa: F401
import hypothesis  # noqa: F401
import numpy as np  # noqa: F401 (freezegun finds it in LangChain; it loads once per process)
import pytest
import time_machine  # noqa: F401

import pytest_runlog.delivery.session
import pytest_runlog.reports.terminal
import pytest_runlog.snapshot  # noqa: F401
from pytest_runlog import record
from support.chains import question_chain
from support.inner import TESTS, Project


@pytest.fixture(scope="session", autouse=True)
def _imported() -> None:
    """LangChain imports a part of itself only when a chain runs."""
    with record() as log:
        question_chain().invoke({"question": "?"})
        asyncio.run(question_chain().ainvoke({"question": "?"}))
    assert log.tree()


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHONPATH", TESTS)
    return Project(pytester)
