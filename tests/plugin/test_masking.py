"""Secrets and what else must not be shown, in what a failing test shows."""

from __future__ import annotations

import pytest

from support.inner import Project, section


def test_the_value_of_an_environment_variable_named_like_a_secret_is_masked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env-0123456789")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "question")

    result = project.run("""
        def test_answer(runlog):
            assert ask("my question holds sk-env-0123456789") == "no"
    """)

    assert '| in     {"question": "my question holds <secret>"}' in section(result, "runlog")


def test_a_variable_that_the_test_sets_is_masked_too(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog, monkeypatch):
            monkeypatch.setenv("SERVICE_PASSWORD", "hunter2-hunter2")
            ask("hunter2-hunter2?")
            assert False
    """)

    assert '| in     {"question": "<secret>?"}' in section(result, "runlog")


def test_a_secret_under_its_key_is_masked_wherever_it_appears(project: Project) -> None:
    result = project.run("""
        def test_answer(runlog):
            question_chain().invoke({"api_key": "t0p-secret", "question": "is it t0p-secret?"})
            assert False
    """)

    shown = section(result, "runlog")
    assert '| in     {"api_key": "<secret>", "question": "is it <secret>?"}' in shown
    assert "t0p-secret" not in shown


def test_patterns_of_the_ini_file_are_masked(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask("who is user-42 of team-7?")
            assert "user-42" in runlog.root.inputs["question"]
            assert False
        """,
        ini=r"""
        runlog_mask =
            user-\d+
            team-\d
        """,
    )

    expected = '| in     {"question": "who is <masked> of <masked>?"}'
    assert expected in section(result, "runlog")


def test_a_hook_masks_by_where_a_value_is(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            question_chain().invoke({"question": "why?", "user": {"age": 42, "email": "a@b.c"}})
            assert False
        """,
        conftest="""
        def pytest_runlog_mask(path, value):
            if path.endswith(".email"):
                return "<email>"
            if path == "inputs.user.age":
                return 0
        """,
    )

    expected = '| in     {"question": "why?", "user": {"age": 0, "email": "<email>"}}'
    assert expected in section(result, "runlog")


def test_the_hook_sees_each_value_with_its_path(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
            runlog.tree("full")
            from conftest import seen
            assert ("inputs", {"question": "why?"}) in seen
            assert ("inputs.question", "why?") in seen
            assert ("output.messages[0].content", "why?") in seen
            assert ("inputs[0].content", "why?") in seen
            assert ("tags[0]", "seq:step:1") in seen
            assert ("metadata.ls_model_name", "fake-1") in seen
        """,
        conftest="""
        seen = []

        def pytest_runlog_mask(path, value):
            seen.append((path, value))
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_hook_in_a_conftest_below_is_asked_for_the_tests_below_only(project: Project) -> None:
    below = project.pytester.mkdir("below")
    (below / "conftest.py").write_text("def pytest_runlog_mask(path, value):\n    return '<below>'")
    test = """
def test_answer(runlog):
    from support.chains import search
    search.invoke("RFC 6902")
    assert runlog.tree() == %r
"""
    (below / "test_below.py").write_text(
        test % 'search (tool)\n| in     "<below>"\n| out    "<below>"'
    )

    result = project.run(
        test % 'search (tool)\n| in     "RFC 6902"\n| out    "found RFC 6902"',
        "--import-mode=importlib",
    )

    result.assert_outcomes(passed=2)


def test_a_hook_that_raises_is_reported_and_shows_no_value(project: Project) -> None:
    result = project.run(
        """
        def test_reads(runlog):
            ask()
            runlog.tree()

        def test_fails(runlog):
            ask("hidden" + "-question")
            pytest.fail("no answer")
        """,
        conftest="""
        def pytest_runlog_mask(path, value):
            if path == "inputs.question":
                raise LookupError(path)
        """,
    )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "* test_reads *",
            "E *LookupError: inputs.question",
            "E * pytest_runlog.model.masking.MaskHookFailed: *failed for 'inputs.question'",
            "* test_fails *",
            "E * Failed: no answer",
            "pytest-runlog could not read what it recorded. Unless a `pytest_runlog_mask` of *",
            "LookupError: inputs.question",
        ]
    )
    result.stdout.no_fnmatch_line("*hidden-question*")


def test_a_recording_of_its_own_takes_the_masks_of_the_session(project: Project) -> None:
    result = project.run(
        """
        import pytest_runlog

        def test_answer():
            with pytest_runlog.record() as log:
                ask()
            assert "<masked>" in log.tree()
            assert "JSON" not in log.tree()
        """,
        ini="runlog_mask = JSON",
    )

    result.assert_outcomes(passed=1)
