"""A chain that still runs when its test ends."""

from __future__ import annotations

from support.inner import Project

SLOW = """
    import threading
    from langchain_core.runnables import RunnableLambda

    def start(text):
        started, release = threading.Event(), threading.Event()

        def slow(text):
            started.set()
            assert release.wait(60)
            return ask(text)

        thread = threading.Thread(target=RunnableLambda(slow).invoke, args=(text,))
        thread.start()
        assert started.wait(60)
        return thread, release
"""


def test_what_it_still_does_belongs_to_its_own_test(project: Project) -> None:
    result = project.run(
        SLOW
        + """
    first = {}

    def test_first(runlog):
        first.update(log=runlog, slow=start("late"))

    def test_second(runlog):
        assert first["log"].names == ["slow"]
        assert first["log"].root.status == "unfinished"
        ask("second")
        thread, release = first["slow"]
        release.set()
        thread.join()
        assert questions(runlog) == ["second"]
        assert first["log"].names == ["slow", *CHAIN]
        assert first["log"].root.output == ANSWER
    """
    )

    result.assert_outcomes(passed=2)


def test_a_later_test_that_is_not_recorded_does_not_see_it_either(project: Project) -> None:
    result = project.run(
        SLOW
        + """
    first = {}

    def test_first(runlog):
        first.update(log=runlog, slow=start("late"))

    def test_second():
        thread, release = first["slow"]
        release.set()
        thread.join()
        assert first["log"].names == ["slow", *CHAIN]
    """,
        "-q",
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["runlog: 1 test recorded, 1 run, 0 model runs, *"])


def test_a_root_that_such_a_thread_starts_belongs_to_the_test_that_runs_then(
    project: Project,
) -> None:
    result = project.run(
        """
        import threading

        go = threading.Event()
        logs = []

        def test_first(runlog):
            logs.append(runlog)
            thread = threading.Thread(target=lambda: go.wait(60) and ask("late"))
            thread.start()
            logs.append(thread)

        def test_second(runlog):
            go.set()
            logs[1].join()
            assert questions(runlog) == ["late"]
            assert not logs[0].runs
        """
    )

    result.assert_outcomes(passed=2)
