"""Which langchain-core can be recorded."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

OLDEST = (1, 0)


class UnsupportedLangChain(RuntimeError):
    """langchain-core is missing or too old; the message says what to install."""


def require_supported_langchain() -> None:
    """Raise `UnsupportedLangChain` unless langchain-core 1.0 or newer is installed."""
    try:
        installed = version("langchain-core")
    except PackageNotFoundError:
        raise UnsupportedLangChain(_message("no langchain-core is installed")) from None
    if _numbers(installed) < OLDEST:
        raise UnsupportedLangChain(_message(f"langchain-core {installed} is installed"))


def _numbers(version_: str) -> tuple[int, ...]:
    major, _, rest = version_.partition(".")
    minor = rest.partition(".")[0]
    return tuple(int(part) if part.isdigit() else 0 for part in (major, minor))


def _message(found: str) -> str:
    needed = ".".join(map(str, OLDEST))
    return (
        f"pytest-runlog records langchain-core {needed} and newer, but {found}. "
        f"Install one that it can record: pip install 'langchain-core>={needed},<2'"
    )
