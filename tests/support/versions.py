"""What tests must know of the versions that are installed, and why."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from importlib.metadata import version
from inspect import signature

import pytest
from langchain_core.language_models import BaseChatModel


def _numbers(package: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version(package).split(".")[:2])


TELLS_TOOL_CALL_IDS = _numbers("langchain-core") >= (1, 2)
"""Whether a handler is told the id of the tool call when a tool starts."""

HAS_V3_EVENTS = "v3" in str(signature(BaseChatModel.astream_events))
"""Whether there is `astream_events(version="v3")`, as from langchain-core 1.4 on."""

IN_A_LOOP_OF_THE_MODULE = (
    'pytest.mark.asyncio(loop_scope="module")'
    if _numbers("pytest-asyncio") >= (0, 24)  # which needs pytest 8.2
    else 'pytest.mark.asyncio(scope="module")'
)
"""The mark of pytest-asyncio that has tests share an event loop."""

run_collector_copies_with_pydantics_copy = pytest.mark.filterwarnings(
    "ignore:The `copy` method is deprecated"
    ":pydantic.warnings.PydanticDeprecatedSince20:langchain_core.tracers.run_collector"
)
"""So it does before langchain-core 1.2.10. Without the warning there is no trace to compare."""

LEAVES_LOOPS_OPEN = _numbers("pytest-asyncio") < (1, 0)
"""Whether pytest-asyncio makes event loops that nobody closes."""


def collect_loops_left_open() -> None:
    """Have Python warn of them now, unheard, and not in whichever test comes later."""
    if LEAVES_LOOPS_OPEN:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            asyncio.set_event_loop(None)
            gc.collect()


AGENT_OF_THE_SNAPSHOTS = pytest.mark.skipif(
    (_numbers("langchain"), _numbers("langgraph")) != ((1, 4), (1, 2)),
    reason="each minor version of langchain builds an agent of other nodes than the one before",
)
"""For snapshots of all that an agent of `langchain.agents` is made of."""

TELLS_PARENTS_IN_ASYNC_CODE = pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="before Python 3.11 LangChain does not tell what async code without a config runs in",
)
