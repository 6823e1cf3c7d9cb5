"""How large a store of the embedded engine gets, and how long it takes to append to it.

    python benchmarks/infino_store.py [--sessions 300] [--records 500] [--minutes 5]

Each session sends its records as `pytest-runlog send` does: it opens the store, appends to two
tables, and tidies up. Between sessions the files are made older by so many minutes, because
what nobody needs is removed only when it is ten minutes old.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout, not what is installed

from pytest_runlog.delivery.engine import EngineSink
from pytest_runlog.delivery.records import Record

MEGABYTE = 1_000_000
TOPICS = ("physics", "history", "law")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--records", type=int, default=500, help="of each session")
    parser.add_argument("--minutes", type=float, default=5, help="between sessions")
    options = parser.parse_args()
    appends: list[float] = []
    tidies: list[float] = []
    largest = 0
    print(f"{'sessions':>8}  {'size':>8}  {'largest':>8}  {'append':>8}  {'tidy up':>8}")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        for session in range(1, options.sessions + 1):
            records = list(records_of(options.records))
            start = time.perf_counter()
            sink = EngineSink(str(store), 60)
            sink.send(records)
            appended = time.perf_counter()
            largest = max(largest, size_of(store))
            resumed = time.perf_counter()
            sink.tidy()
            tidies.append(time.perf_counter() - resumed)
            appends.append(appended - start)
            make_older(store, options.minutes * 60)
            if session % max(options.sessions // 10, 1) == 0:
                print(
                    f"{session:>8}  {size_of(store) / MEGABYTE:>5.1f} MB  "
                    f"{largest / MEGABYTE:>5.1f} MB  {median(appends[-30:]) * 1e3:>5.0f} ms  "
                    f"{median(tidies[-30:]) * 1e3:>5.0f} ms"
                )
    tenth = max(len(appends) // 10, 1)
    first, last = median(appends[:tenth]), median(appends[-tenth:])
    print(
        f"\n{options.sessions:,} sessions of {options.records:,} records: at most "
        f"{largest / MEGABYTE:.1f} MB; an append took {first * 1e3:.0f} ms in the first tenth "
        f"and {last * 1e3:.0f} ms in the last, tidying up at most {max(tidies) * 1e3:.0f} ms"
    )


def records_of(number: int) -> Iterator[Record]:
    """Seven of ten are metrics, as of a model that reports its tokens."""
    session, now = uuid4().hex, time.time()
    for position in range(number):
        labels = {
            "session": session,
            "nodeid": f"tests/test_answers.py::test_answer[{position // 10}]",
            "attempt": "1",
            "chain": "answer",
            "path": "answer/ChatOpenAI",
            "run_id": str(uuid4()),
            "model_id": "gpt-4o",
        }
        if position % 10 < 7:
            value = random.random()  # noqa: S311
            yield Record("metric", uuid4().hex, now, "latency", value, labels)
        else:
            text = f"Answer question {position} of {random.choice(TOPICS)}."  # noqa: S311
            yield Record("log", uuid4().hex, now, "prompt", text, labels)


def size_of(store: Path) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def make_older(store: Path, seconds: float) -> None:
    for path in store.rglob("*"):
        status = path.stat()
        os.utime(path, (status.st_atime - seconds, status.st_mtime - seconds))


if __name__ == "__main__":
    main()
