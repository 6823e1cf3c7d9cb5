"""What a recorded session costs: CPU per test, and memory where its reports arrive.

    python benchmarks/session.py [--tests 10000] [--rounds 3] [--memory 10000]

Sessions of tests that invoke `prompt | model | parser` once each: not recorded, recorded, recorded
with four budgets for the session, and with three more for every test. They run one after
another, round after round; a figure is the median. It is the time of the loop over the tests,
which do next to nothing; what pytest takes to start, to collect and to end is left out.

In it the functions of the plugin are timed, each without what it calls of the others, so that
load of the machine changes all figures alike:

- `budgets, records`: judging the test, its record, its properties, collecting, the summary;
- `deriving the runs`: from what the handler noted, once a test, whoever asks first;
- `opening, closing`: the capture around the test.

What is left is the handler, which `cost.py` measures, and the garbage collector. Memory is that
of the records of so many tests, made as the controller makes them of what workers send.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import tracemalloc
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

TESTS = """
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

class Answers:
    def __iter__(self):
        return self
    def __next__(self):
        usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
        return AIMessage("RFC 6902", usage_metadata=usage)

prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
chain = prompt | GenericFakeChatModel(messages=Answers()) | StrOutputParser()

@pytest.mark.parametrize("number", range(COUNT))
def test_answers(number):
    assert chain.invoke({"question": f"question {number}"}) == "RFC 6902"
"""
TIMED = """
import functools, time
import pytest
import pytest_runlog.capture, pytest_runlog.gate, pytest_runlog.plugin
import pytest_runlog.session.collection as collection

spent, running, took = {}, [], 0.0

def timed(owner, name, what):
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        start = time.process_time()
        running.append(0.0)
        try:
            return function(*args, **kwargs)
        finally:
            took = time.process_time() - start
            spent[what] = spent.get(what, 0.0) + took - running.pop()
            if running:
                running[-1] += took

    setattr(owner, name, wrapper)

timed(pytest_runlog.gate.Gate, "hold", "budgets, records")
for name in ("_attach", "pytest_terminal_summary"):
    timed(pytest_runlog.plugin, name, "budgets, records")
for name in ("pytest_runtest_logreport", "judge"):
    timed(collection.SessionRecords, name, "budgets, records")
timed(pytest_runlog.capture, "_derive", "deriving the runs")
timed(pytest_runlog.plugin, "_open", "opening, closing")
timed(pytest_runlog.capture.RunLogCapture, "close", "opening, closing")

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop():
    global took
    start = time.process_time()
    result = yield
    took = time.process_time() - start
    return result

def pytest_unconfigure():
    print("\\nTIMES", took, *(f"{what}={seconds}" for what, seconds in spent.items()), sep="|")
"""
BUDGETS = [
    "--runlog-budget=latency <= 10min",
    "--runlog-budget=errors <= 0",
    "--runlog-budget=total_tokens <= 800",
    "--runlog-session-budget=latency_p95 <= 10min",
    "--runlog-session-budget=error_rate <= 1%",
    "--runlog-session-budget=total_tokens <= 10_000_000",
    "--runlog-session-budget=model_latency_p99 <= 10min",
]


WHOLE = "the loop over the tests"
SESSIONS = {
    "not recorded": [],
    "recorded": ["--runlog"],
    "and four budgets for the session": ["--runlog", *BUDGETS[3:]],
    "and three for each test": ["--runlog", *BUDGETS],
}


def measure(tests: int, rounds: int) -> None:
    """Print what each kind of session takes for a test, and what that adds to the one before."""
    times: dict[str, list[Times]] = {name: [] for name in SESSIONS}
    for _ in range(rounds):
        for name, options in SESSIONS.items():
            times[name].append(session(tests, options))
    print(f"\n{tests:,} tests, CPU of each ({rounds} rounds)")
    before: float | None = None
    for name, found in times.items():
        middle = {what: median(each.get(what, 0.0) for each in found) for what in found[0]}
        whole = middle.pop(WHOLE)
        more = "" if before is None else f"{whole - before:+8,.0f} us {whole / before - 1:+7.1%}"
        print(f"  {name:36}{whole:9,.0f} us  {more}")
        for what, spent in middle.items():
            print(f"    {what:34}{spent:9,.0f} us")
        before = whole


Times: TypeAlias = "dict[str, float]"
"""Microseconds of a test, by what took them."""


def session(tests: int, options: list[str]) -> Times:
    """Run a session of so many tests."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "pytest.ini").write_text("[pytest]\n")
        (directory / "test_it.py").write_text(TESTS.replace("COUNT", str(tests)))
        (directory / "conftest.py").write_text(TIMED)
        result = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise SystemExit(result.stdout[-2000:] + result.stderr)
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("TIMES|"))
    _, total, *parts = line.split("|")
    seconds = {WHOLE: float(total)}
    seconds.update((what, float(text)) for what, _, text in (part.partition("=") for part in parts))
    return {what: spent / tests * 1e6 for what, spent in seconds.items()}


def memory(tests: int) -> None:
    """The records of so many tests, made of what workers send."""
    from pytest_runlog.measures.budget import parse_budget
    from pytest_runlog.session.records import TestRecord, judge_session

    budgets = [parse_budget(text.partition("=")[2]) for text in BUDGETS if "session" in text]
    sent = json.dumps(example(budgets))
    print(f"\nmemory of the records, each made of {len(sent):,} bytes")
    for count in (tests // 4, tests // 2, tests):
        tracemalloc.start()
        records = []
        for number in range(count):
            data = json.loads(sent)
            data["nodeid"] = f"test_it.py::test_answers[{number}]"
            records.append(TestRecord.from_dict(data))
        kept, _ = tracemalloc.get_traced_memory()
        judge_session(budgets, records, None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(
            f"  {count:8,} tests{kept / 1e6:9.1f} MB, {kept / count:6,.0f} bytes a test; "
            f"{peak / 1e6:.1f} MB while the session is judged"
        )


def example(budgets: list[Any]) -> dict[str, Any]:
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.prompts import ChatPromptTemplate

    import pytest_runlog
    from pytest_runlog.session.records import record_test

    chain = ChatPromptTemplate.from_template("{question}") | FakeListChatModel(responses=["yes"])
    with pytest_runlog.record() as log:
        chain.invoke({"question": "why?"})
    return record_test("", "passed", log.runs, session_budgets=budgets).to_dict()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=10_000)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, langchain-core {version('langchain-core')}")
    measure(arguments.tests, arguments.rounds)
    memory(arguments.memory)


if __name__ == "__main__":
    main()
