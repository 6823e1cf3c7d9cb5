"""Token usage, as models report it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_runlog.model.frozen import thaw
from pytest_runlog.model.unthawed import field_of, items_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class TokenUsage(NamedTuple):
    """Tokens of one model run, or of several added up. `None` means unknown, not zero."""

    input: int | None
    output: int | None
    total: int | None


UNKNOWN = TokenUsage(None, None, None)


def add_up(usages: Iterable[TokenUsage]) -> TokenUsage:
    """The sum; one unknown makes the sum unknown, no usages make it zero."""
    known = list(usages)
    return TokenUsage(
        _sum([usage.input for usage in known]),
        _sum([usage.output for usage in known]),
        _sum([usage.total for usage in known]),
    )


def usage_of(response: Any) -> TokenUsage:
    """The usage that an `LLMResult` reports, frozen or not.

    A chat model's `message.usage_metadata` comes first, then a completion model's
    `llm_output["token_usage"]`. Some models fill both; they are never added up.
    """
    found = [
        usage
        for generation in _generations(response)
        if isinstance(usage := thaw(_reported(generation)), dict) and usage
    ]
    if found:
        # `n` completions of one call repeat or extend the usage of the call: take the largest.
        return max((_usage(usage, "input_tokens", "output_tokens") for usage in found), key=_size)
    output = thaw(field_of(response, "llm_output"))
    usage = output.get("token_usage") or output.get("usage") if isinstance(output, dict) else None
    if not isinstance(usage, dict):
        return UNKNOWN
    if "input_tokens" in usage:
        return _usage(usage, "input_tokens", "output_tokens")
    return _usage(usage, "prompt_tokens", "completion_tokens")


def _usage(reported: dict[str, Any], input_key: str, output_key: str) -> TokenUsage:
    given = _count(reported.get(input_key))
    made = _count(reported.get(output_key))
    total = _count(reported.get("total_tokens"))
    if total is None and given is not None and made is not None:
        total = given + made
    return TokenUsage(given, made, total)


def _reported(generation: Any) -> Any:
    return field_of(field_of(generation, "message"), "usage_metadata")


def _generations(response: Any) -> list[Any]:
    prompts = items_of(field_of(response, "generations"))
    return [generation for prompt in prompts for generation in items_of(prompt)]


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _size(usage: TokenUsage) -> int:
    return usage.total or 0
