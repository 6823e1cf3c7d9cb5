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


@pytest.hookspec
def pytest_runlog_sink(config: pytest.Config) -> Any:
    """Give a sink of your own for Infino's metrics and logs of the recorded tests, or `None`.

    It is asked for when the session ends, on the xdist controller, so only by plugins and by
    the conftest.py of the directories that pytest is started with. Its `send(records)` is
    called once, in a thread, with every `Record` of the session: `kind` (`"metric"` or
    `"log"`), `record_id`, `date` (epoch seconds), `key`, `value` and `labels`. What it raises
    changes no result; records that it could not take are kept in a spool file.

        class Lines:
            def send(self, records):
                with open("metrics.jsonl", "a") as file:
                    for record in records:
                        print(json.dumps(record.to_dict()), file=file)

        def pytest_runlog_sink(config):
            return Lines()
    """
