"""The hooks that a conftest.py or another plugin can implement."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_runlog_mask(path: str, value: object) -> Any:
    """Mask a recorded value wherever it is shown or saved.

    `path` says where it is in a run: `"inputs.question"`, `"metadata.user"`,
    `"output[0].metadata"`. Return what to show in its place, or `None` to leave it.

        def pytest_runlog_mask(path, value):
            if path.endswith(".email"):
                return "<email>"
    """
