"""What the plugin costs those who record nothing."""

from __future__ import annotations

import pytest

from support.inner import Project

HEAVY = ("langchain_core", "langsmith", "pydantic", "syrupy", "jsonpatch", "numpy")
REPORT = f"""
    import sys

    def pytest_unconfigure(config):
        assert config.pluginmanager.has_plugin("pytest_runlog.plugin")
        print("imported:", [name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.fixture
def alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Without the plugins of others, which import LangChain themselves."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return project


def test_collecting_imports_none_of_what_recording_needs(alone: Project) -> None:
    result = alone.run(
        """
        def test_answer(runlog):
            pass
        """,
        "--collect-only",
        "-p",
        "pytest_runlog.plugin",
        conftest=REPORT,
        subprocess=True,
        header=False,
    )

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["imported: []"])


def test_running_tests_that_are_not_recorded_imports_nothing_either(alone: Project) -> None:
    result = alone.run(
        """
        import pytest

        def test_passes():
            pass

        def test_fails():
            assert False

        @pytest.mark.runlog(record=False)
        def test_is_left_out():
            pass
        """,
        "-p",
        "pytest_runlog.plugin",
        conftest=REPORT,
        subprocess=True,
        header=False,
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["imported: []"])


def test_recording_is_what_imports_langchain(alone: Project) -> None:
    result = alone.run(
        """
        def test_answer(runlog):
            pass
        """,
        "-p",
        "pytest_runlog.plugin",
        conftest=REPORT,
        subprocess=True,
        header=False,
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["imported: ['langchain_core', *"])
