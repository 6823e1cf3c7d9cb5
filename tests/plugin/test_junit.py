"""JUnit XML: the numbers of a test as flat properties."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from support.inner import Project


def parsed(project: Project) -> ET.Element:
    path: Path = project.pytester.path / "out.xml"
    return ET.fromstring(path.read_bytes())  # noqa: S314 (pytest has just written it)


def properties(project: Project, name: str) -> list[dict[str, str]]:
    """The properties of each test case of that name."""
    return [
        {str(found.get("name")): str(found.get("value")) for found in case.iter("property")}
        for case in parsed(project).iter("testcase")
        if case.get("name") == name
    ]


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "worker"])
def test_a_recorded_test_has_its_numbers_as_properties(project: Project, args: list[str]) -> None:
    project.run(
        """
        def test_answer(runlog, record_property):
            record_property("runlog", "mine")
            record_property("color", "green")
            ask()
        """,
        "--junitxml=out.xml",
        "-ojunit_family=xunit1",  # the one that takes properties of users
        *args,
        subprocess=bool(args),
    )

    (found,) = properties(project, "test_answer")
    assert 0 < float(found.pop("runlog.latency")) < 60
    assert found == {
        "runlog": "mine",
        "color": "green",
        "runlog.runs": "4",
        "runlog.model_runs": "1",
        "runlog.errors": "0",
        "runlog.recovered_errors": "0",
        "runlog.unfinished": "0",
        "runlog.input_tokens": "7",
        "runlog.output_tokens": "2",
        "runlog.total_tokens": "9",
    }


def test_unknown_usage_is_no_property(project: Project) -> None:
    project.run(
        """
        from support.models import completion

        def test_answer(runlog):
            completion().invoke("why?")
        """,
        "--junitxml=out.xml",
    )

    (found,) = properties(project, "test_answer")
    assert found["runlog.model_runs"] == "1"
    assert not [name for name in found if "tokens" in name]


def test_a_test_that_ran_no_chain_has_none(project: Project) -> None:
    project.run(
        """
        def test_nothing(runlog):
            pass
        """,
        "--junitxml=out.xml",
    )

    assert properties(project, "test_nothing") == [{}]


def test_breaches_are_a_property_and_the_failure(project: Project) -> None:
    project.run(
        """
        @pytest.mark.runlog_budget("runs <= 3", "errors < 0")
        def test_answer():
            ask()
        """,
        "--junitxml=out.xml",
    )

    (found,) = properties(project, "test_answer")
    assert found["runlog.breaches"] == "runs <= 3 is 4; errors < 0 is 0"
    failure = parsed(project).find(".//failure")
    assert failure is not None
    assert str(failure.text).startswith("2 of 2 budgets: runs <= 3 is 4; errors < 0 is 0\n")


def test_the_last_attempt_of_a_rerun_test_counts(project: Project) -> None:
    project.run(
        """
        attempts = []

        def test_flaky(runlog):
            attempts.append(1)
            for _ in attempts:
                ask()
            assert len(attempts) == 2
        """,
        "--reruns=2",
        "--junitxml=out.xml",
    )

    *_, last = properties(project, "test_flaky")
    assert last["runlog.runs"] == "8"


def test_control_characters_in_names_leave_the_file_well_formed(project: Project) -> None:
    result = project.run(
        r"""
        from langchain_core.runnables import RunnableLambda

        @pytest.mark.runlog_budget("runs[name='\x00\x1b*'] <= 0", "latency <= 0us")
        def test_answer():
            RunnableLambda(len).with_config(run_name="\x00\x1b[2J\x85\ud800\uffff").invoke("a")

        def test_failing(runlog):
            RunnableLambda(len).with_config(run_name="\x00\x1b[2J\x85\ud800\uffff").invoke("a")
            runlog.assert_budget("latency <= 0us")
        """,
        "--junitxml=out.xml",
        "-ojunit_logging=all",
    )

    result.assert_outcomes(failed=2)
    assert "\x1b" not in str(result.stdout)
    (found,) = properties(project, "test_answer")
    assert found["runlog.breaches"].startswith(r"runs[name='\x00\x1b*'] <= 0 is 1; latency <= 0us")
    assert len(properties(project, "test_failing")) == 1
