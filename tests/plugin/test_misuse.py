"""What a user meets who asks for what cannot be."""

from __future__ import annotations

import pytest

from support.inner import Project, section

OLD = """
    import importlib.metadata

    version = importlib.metadata.version
    importlib.metadata.version = (
        lambda name: "0.3.83" if name == "langchain-core" else version(name)
    )
"""
TOO_OLD = (
    "pytest-runlog records langchain-core 1.0 and newer, but langchain-core 0.3.83 is installed. "
    "Install one that it can record: pip install 'langchain-core>=1.0,<2'"
)


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_a_fixture_of_a_wider_scope_is_told_what_to_use_instead(
    project: Project, scope: str
) -> None:
    result = project.run(f"""
        @pytest.fixture(scope="{scope}")
        def answers(runlog):
            ask()

        def test_answer(answers):
            pass
    """)

    result.assert_outcomes(errors=1)
    assert (
        section(result, "runlog")
        == """\
`runlog` records one test, so only tests and function-scoped fixtures can ask for it. \
A fixture of a wider scope opens a recording of its own:

    with pytest_runlog.record() as log:
        ..."""
    )


def test_what_it_is_told_to_use_works(project: Project) -> None:
    result = project.run("""
        import pytest_runlog

        @pytest.fixture(scope="session")
        def answers():
            with pytest_runlog.record() as log:
                ask()
            return log

        def test_answer(answers):
            assert answers.names == CHAIN
    """)

    result.assert_outcomes(passed=1)


def test_the_wrong_scope_of_another_fixture_is_none_of_our_business(project: Project) -> None:
    result = project.run("""
        @pytest.fixture
        def runlogs():
            pass

        @pytest.fixture(scope="session")
        def answers(runlogs):
            pass

        def test_answer(answers):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*-- runlog --*")


def test_recording_tests_that_run_no_chain_changes_nothing(project: Project) -> None:
    project.pytester.makepyfile(
        test_it="""
        import sys

        def test_sum():
            assert 1 + 1 == 2

        def test_difference():
            assert 1 - 1 == 1
        """
    )

    result = project.pytester.runpytest_inprocess("--runlog", "-p", "no:asyncio")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*recorded*")
    result.stdout.no_fnmatch_line("*== runlog ==*")


def test_recording_every_test_with_a_langchain_that_is_too_old_is_refused(
    project: Project,
) -> None:
    result = project.run(
        """
        def test_answer():
            pass
        """,
        "--runlog",
        conftest=OLD,
        subprocess=True,
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --runlog: {TOO_OLD}" in result.errlines


def test_only_the_tests_that_record_fail_with_a_langchain_that_is_too_old(
    project: Project,
) -> None:
    result = project.run(
        """
        def test_unrecorded():
            assert ask() == ANSWER

        def test_recorded(runlog):
            pass

        @pytest.mark.runlog
        def test_marked():
            pass
        """,
        conftest=OLD,
        subprocess=True,
    )

    result.assert_outcomes(passed=1, failed=1, errors=1)
    assert result.outlines.count(TOO_OLD) == 2


def test_a_missing_langchain_is_named(project: Project) -> None:
    result = project.run(
        """
        def test_answer():
            pass
        """,
        "--runlog",
        conftest="""
        import importlib.metadata

        def version(name):
            raise importlib.metadata.PackageNotFoundError(name)

        importlib.metadata.version = version
        """,
        subprocess=True,
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "ERROR: --runlog: pytest-runlog records langchain-core 1.0 and newer, but no "
        "langchain-core is installed. Install one that it can record: "
        "pip install 'langchain-core>=1.0,<2'"
    ) in result.errlines
