"""What is never shown: secrets, and what changes from run to run though nothing changed.

A `Mask` is made for one capture. Secrets are the values under keys that are named like
one, `SecretStr`, and the values of environment variables named like one; wherever such a
value turns up again it is masked too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

SECRET: Final = "<secret>"  # noqa: S105 (what is shown in its place)
RUN_ID: Final = "<run id>"
MASKED: Final = "<masked>"
_MASKS = (SECRET, RUN_ID, MASKED)

MaskHook = Callable[[str, Any], Any]
"""Takes where a value is (`"inputs.question"`) and the value, and returns what to show."""

_SECRET_NAMES = (
    ("api", "key"),
    ("api", "keys"),
    ("apikey",),
    ("apikeys",),
    ("authorization",),
    ("password",),
    ("passwords",),
    ("secret",),
    ("secrets",),
    ("token",),
    ("credential",),
    ("credentials",),
)
_COUNTING_WORDS = frozenset(
    {"budget", "count", "counts", "ids", "limit", "max", "min", "number", "total", "usage"}
)
_SWITCHES = frozenset({"0", "1", "false", "no", "none", "null", "off", "on", "true", "yes"})
"""Values that switch something on or off: no secrets, whatever their key is called."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RUN_ID = re.compile(rf"\b(?:lc_|(?:lc_)?run-{{1,2}}){_UUID}(?:-\d+)?\b")
_ANY_UUID = re.compile(_UUID)
_ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]+(?=[^<>]*>|, file [\"'])")
_MOCK_ADDRESS = re.compile(r"(<\w*Mock\b[^<>]*\bid=)'\d+'(?=>)")
_PYDANTIC_VERSION = re.compile(r"(?<=errors\.pydantic\.dev/)\d+\.\d+(?=/)")
_INTERRUPT_ID = re.compile(r"(?<=\bid=)'[0-9a-f]{32}'(?=[,)])")
_SHORTEST_PART = 6
"""A secret at least this long is masked inside of longer text too."""


@lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Whether a value under this key is a secret, by the words that the key is made of.

    Keys that count something (`token_usage`, `max_token`) are not, and names of secrets
    (`secret_id`) are not; an `id_token` is one.
    """
    words = [word.lower() for word in _WORDS.findall(key.replace(SECRET, ""))]
    if words[-1:] == ["id"] or not any(
        tuple(words[at : at + len(name)]) == name
        for name in _SECRET_NAMES
        for at in range(len(words))
    ):
        return False
    return not _COUNTING_WORDS.intersection(words)


def environment_secrets(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The values of the environment variables that are named like a secret."""
    return frozenset(
        part
        for name in environ
        if is_secret_key(name)
        for part in parts_of_secret(environ.get(name, ""))
    )


def parts_of_secret(value: str) -> Iterable[str]:
    """The value itself, also as Python and JSON write it, and what could turn up alone of it.

    That is `"abc123"` of `"Bearer abc123"`.
    """
    if value.strip().lower() in {"", *_SWITCHES}:
        return
    yield value
    yield value.strip()
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    words = value.split()
    if len(words) > 1:
        yield from (word for word in words[1:] if len(word) >= _SHORTEST_PART)


def is_volatile_id(value: Any) -> bool:
    """Whether an id is one that LangChain or LangGraph made up, and so differs every time."""
    return isinstance(value, str) and bool(_ANY_UUID.fullmatch(value) or _RUN_ID.fullmatch(value))


def uuids_in(text: str) -> Iterator[int]:
    """The UUIDs that a text contains, as integers."""
    return (UUID(found).int for found in _ANY_UUID.findall(text))


class MaskHookFailed(Exception):
    """The user's `pytest_runlog_mask` raised; the cause is what it raised."""


@dataclass(frozen=True)
class Mask:
    """Masks the text of one capture."""

    secrets: frozenset[str] = frozenset()
    run_ids: frozenset[int] = frozenset()
    """`UUID.int` of the ids that were made up."""
    patterns: tuple[re.Pattern[str], ...] = ()
    """What the user wants masked besides (ini `runlog_mask`)."""
    hook: MaskHook | None = None
    """`pytest_runlog_mask`."""
    _secret: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        long = sorted(
            (secret for secret in self.secrets if len(secret) >= _SHORTEST_PART),
            key=lambda secret: (-len(secret), secret),
        )
        pattern = re.compile("|".join(map(re.escape, (*_MASKS, *long)))) if long else None
        object.__setattr__(self, "_secret", pattern)

    def replaced(self, path: str, value: Any) -> Any:
        """What the user's hook gives for a value. Raises `MaskHookFailed`."""
        if self.hook is None:
            return value
        try:
            return self.hook(path, value)
        except Exception as failure:
            raise MaskHookFailed(f"pytest_runlog_mask failed for {path!r}") from failure

    def text(self, text: str) -> str:
        """The text without secrets, ids of runs, addresses and what the user masks."""
        if text in self.secrets:
            return SECRET
        if self._secret is not None:
            text = self._secret.sub(_hide, text)
        if "-" in text:
            text = _RUN_ID.sub(RUN_ID, text)
            if self.run_ids:
                text = _ANY_UUID.sub(self._run_id, text)
        if "0x" in text:
            text = _ADDRESS.sub("at 0x…", text)
        if "Mock" in text:
            text = _MOCK_ADDRESS.sub(r"\1…", text)
        if "errors.pydantic.dev/" in text:  # where a ValidationError sends its readers
            text = _PYDANTIC_VERSION.sub("…", text)
        if "Interrupt(" in text:  # LangGraph makes its id from those of the task
            text = _INTERRUPT_ID.sub("'…'", text)
        for pattern in self.patterns:
            text = pattern.sub(MASKED, text)
        return text

    def _run_id(self, found: re.Match[str]) -> str:
        return RUN_ID if UUID(found.group()).int in self.run_ids else found.group()


def _hide(found: re.Match[str]) -> str:
    """What is masked already stays as it is."""
    return found.group() if found.group() in _MASKS else SECRET
