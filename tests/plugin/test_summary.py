"""The summary at the end of the session."""

from __future__ import annotations

import pytest

from support.inner import Project, section, without_slowest

SESSION = """
    from support.models import ModelDown, chat, flaky

    def test_answers(runlog):
        ask()
        ask()

    def test_recovers():
        model = flaky(ANSWER).with_retry(wait_exponential_jitter=False)
        question_chain(model).invoke({"question": "why?"})

    def test_fails():
        question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})

    @pytest.mark.xfail(raises=ModelDown)
    def test_is_known_to_fail():
        question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})

    def test_skips_half_way():
        ask()
        pytest.skip("rest of it")

    def test_leaves_a_stream_open():
        global stream
        stream = question_chain().stream({"question": "why?"})
        next(stream)

    def test_runs_nothing(runlog):
        pass

    @pytest.mark.skip
    def test_skipped():
        ask()
"""


def test_the_summary_counts_all_that_was_recorded(project: Project) -> None:
    result = project.run(SESSION, "--runlog")

    assert (
        without_slowest(section(result, "runlog", "="))
        == """\
6 tests recorded, 28 runs, 8 model runs
tokens      at least 36 (28 in, 8 out; 4 of 8 model runs reported none)
latency     p50 …, p95 …, max … (6 roots)
errors      3 (1 recovered)
unfinished  3 runs"""
    )


def test_a_quiet_session_has_one_line(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "-q",
    )

    assert (
        "runlog: 1 test recorded, 4 runs, 1 model run, tokens 9 (7 in, 2 out), errors 0"
        in result.outlines
    )


def test_a_very_quiet_session_has_none(project: Project) -> None:
    result = project.run(
        """
        def test_answer(runlog):
            ask()
        """,
        "-qq",
    )

    assert not [line for line in result.outlines if "recorded" in line]


@pytest.mark.parametrize("args", [[], ["-q"], ["--collect-only"]])
def test_nothing_is_said_when_nothing_was_recorded(project: Project, args: list[str]) -> None:
    result = project.run(
        """
        def test_runs_no_chain(runlog):
            pass

        def test_is_not_recorded():
            ask()
        """,
        *args,
    )

    assert result.ret == pytest.ExitCode.OK
    assert not [line for line in result.outlines if line.startswith(("runlog: ", "==== runlog"))]


def test_a_session_without_model_runs_says_nothing_of_tokens(project: Project) -> None:
    result = project.run("""
        from support.chains import search

        def test_tool(runlog):
            search.invoke("RFC 6902")
    """)

    assert (
        section(result, "runlog", "=")
        == """\
1 test recorded, 1 run, 0 model runs
latency     p50 …, p95 …, max … (1 root)
errors      0
slowest     …  search  test_it.py::test_tool"""
    )


def test_models_that_report_no_usage_make_the_tokens_unknown_not_zero(project: Project) -> None:
    result = project.run("""
        from support.models import completion

        def test_answer(runlog):
            completion().invoke("why?")
    """)

    assert (
        "tokens      unknown (no model run reported its usage)"
        in section(result, "runlog", "=").splitlines()
    )
