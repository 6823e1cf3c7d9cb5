"""pytest-xdist: the controller tells what one process would have told."""

from __future__ import annotations

from support.inner import Project, section, without_slowest

SESSION = """
    from support.models import ModelDown, chat, flaky

    @pytest.mark.parametrize("times", range(4))
    def test_answers(runlog, times):
        for _ in range(times):
            ask()

    def test_recovers(runlog):
        model = flaky(ANSWER).with_retry(wait_exponential_jitter=False)
        question_chain(model).invoke({"question": "why?"})

    def test_fails(runlog):
        question_chain(chat(ModelDown("503"))).invoke({"question": "why?"})
"""


def test_two_workers_count_as_one_process_does(project: Project) -> None:
    alone = project.run(SESSION)
    shared = project.run(SESSION, "-n2", subprocess=True)

    assert "5 tests recorded, 33 runs, 9 model runs" in section(alone, "runlog", "=")
    assert without_slowest(section(shared, "runlog", "=")) == without_slowest(
        section(alone, "runlog", "=")
    )
    assert section(shared, "runlog", "-") == section(alone, "runlog", "-")


def test_what_a_worker_recorded_before_it_crashed_is_kept(project: Project) -> None:
    result = project.run(
        """
        import os

        def test_answer(runlog):
            ask()

        def test_crash(runlog):
            ask()
            os._exit(1)
        """,
        "-n1",
        "--max-worker-restart=0",
        subprocess=True,
    )

    result.assert_outcomes(passed=1, failed=1)
    assert section(result, "runlog", "=").startswith("1 test recorded, 4 runs, 1 model run\n")
