"""Chains whose runs race: steps that take a random time, started in every way there is.

Each case is a function without arguments that runs its chain once, or a coroutine function.
What it computes depends on no race, so the record of it must not either.
"""

from support.races import (
    agents,
    batches,
    graphs,
    maps,
    runnables,
    sequences,
    streams,
    tasks,
    threads,
)
from support.races.base import CASES, record

__all__ = [
    "CASES",
    "agents",
    "batches",
    "graphs",
    "maps",
    "record",
    "runnables",
    "sequences",
    "streams",
    "tasks",
    "threads",
]
