"""What differs between two trees of runs: the changed branches, each where it stands.

A tree is parsed from its text, so one that was stored years ago can be compared. Text that is
none is compared too, line by line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from typing import TypeAlias

_LINE = re.compile(r"( *)(\| )?(.*)", re.DOTALL)
_HEADING = re.compile(r"(.*) \(([a-z_]+)(?: .*)?\)(?: attempt \d+)?(?: [A-Z]+)?", re.DOTALL)
_NUMBERED = re.compile(r"run \d+|no runs?")
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_LABEL = re.compile(r" *(?:\| \w+ *)?")
_CONTEXT = 12
"""Characters of what is the same that are shown beside what is not, in a long line."""
_MOST_PAIRS = 1_000_000
"""Of longer lists, as many as are the same at both ends are matched, the rest by their places."""

Lines: TypeAlias = "list[tuple[str, str]]"
"""Each with its mark: `"-"`, `"+"`, or `" "` for what both trees have."""


@dataclass(eq=False)
class _Node:
    """A run of a tree: its heading, its values, and what is below it."""

    heading: str
    depth: int
    details: list[str] = field(default_factory=list)
    children: list[_Node] = field(default_factory=list)
    digest: bytes = b""
    """Stands for the run and all that is below it."""

    def key(self) -> str:
        """What a changed run is still recognised by: its name and type."""
        found = _HEADING.fullmatch(self.heading)
        return f"{found[1]} ({found[2]})" if found else self.heading

    def shape(self) -> tuple[str, list[str]]:
        """What a renamed run is still recognised by."""
        found = _HEADING.fullmatch(self.heading)
        return found[2] if found else "", [child.key() for child in self.children]


def diff_trees(old: str, new: str, width: int) -> list[str]:
    """The lines that differ, `-` of the old tree and `+` of the new one, below their headings.

    Siblings that are the same are folded into one `…`, and so is what is the same in a
    changed line that is longer than `width`. Empty if the trees are the same.
    """
    width -= 2  # for the marks
    lines: Lines = []
    # What is still to be done, the next thing last: pairs to compare, or lines as they are.
    todo: list[tuple[int, Sequence[_Node], Sequence[_Node]] | Lines] = [
        (0, _parse(old), _parse(new))
    ]
    while todo:
        task = todo.pop()
        if isinstance(task, list):
            lines += task
            continue
        depth, left, right = task
        steps: list[tuple[int, Sequence[_Node], Sequence[_Node]] | Lines] = []
        folded = False
        for one, other in _match(left, right):
            if one is not None and other is not None and one.digest == other.digest:
                if not folded:
                    steps.append([(" ", f"{'  ' * depth}…")])
                folded = True
                continue
            folded = False
            if one is not None and other is not None:
                steps.append(_changed(one, other, depth, width))
                steps.append((depth + 1, one.children, other.children))
            elif one is not None:
                steps.append([("-", _cut(line, width)) for line in _all_lines(one, depth)])
            elif other is not None:
                steps.append([("+", _cut(line, width)) for line in _all_lines(other, depth)])
        if any(step != [(" ", f"{'  ' * depth}…")] for step in steps):
            todo += reversed(steps)
    return [f"{mark} {line}".rstrip() for mark, line in lines]


def first_odd_line(text: str) -> int | None:
    """The number of the first line that is not part of a tree of runs, `None` if all are."""
    deepest = 0
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.fullmatch(line)
        indent, bar, rest = found.groups() if found is not None else ("", None, "")
        depth, odd = divmod(len(indent), 2)
        if bar is not None:
            good = depth == deepest - 1
        else:
            good = depth <= deepest and bool(
                _HEADING.fullmatch(rest) or (depth == 0 and _NUMBERED.fullmatch(rest))
            )
            deepest = depth + 1
        if odd or not good:
            return number
    return None


def _parse(text: str) -> list[_Node]:
    nodes: list[_Node] = []
    lineage: list[_Node] = []
    roots: list[_Node] = []
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        indent, bar, rest = found.groups() if found is not None else ("", None, line)
        depth = len(indent) // 2
        if bar is not None and lineage:
            lineage[-1].details.append(f"| {rest}")
            continue
        del lineage[depth:]
        node = _Node((bar or "") + rest, len(lineage))
        (lineage[-1].children if lineage else roots).append(node)
        lineage.append(node)
        nodes.append(node)
    for node in reversed(nodes):  # children before their parents
        own = "\n".join([node.heading, *node.details]).encode("utf-8", "surrogatepass")
        node.digest = sha256(
            sha256(own).digest() + b"".join(child.digest for child in node.children)
        ).digest()
    return roots


def _match(
    left: Sequence[_Node], right: Sequence[_Node]
) -> Iterator[tuple[_Node | None, _Node | None]]:
    """Which of the runs are the same, or changed; `None` beside those that are only in one."""
    for before, after in _align(left, right, lambda node: node.digest):
        if len(before) == len(after) == 1 and before[0].digest == after[0].digest:
            yield before[0], after[0]
            continue
        for ones, others in _align(before, after, _Node.key):
            if len(ones) == len(others) and all(
                one.key() == other.key() or one.shape() == other.shape()
                for one, other in zip(ones, others)
            ):
                yield from zip(ones, others)
            else:
                yield from ((one, None) for one in ones)
                yield from ((None, other) for other in others)


def _align(
    left: Sequence[_Node], right: Sequence[_Node], key: Callable[[_Node], Hashable]
) -> Iterator[tuple[Sequence[_Node], Sequence[_Node]]]:
    """Both lists in pieces: pairs with equal keys, and what lies between them."""
    keys, other_keys = [key(node) for node in left], [key(node) for node in right]
    start = 0
    while start < min(len(keys), len(other_keys)) and keys[start] == other_keys[start]:
        yield left[start : start + 1], right[start : start + 1]
        start += 1
    end = 0
    while end < min(len(keys), len(other_keys)) - start and keys[-1 - end] == other_keys[-1 - end]:
        end += 1
    stop, other_stop = len(left) - end, len(right) - end
    middle, other_middle = left[start:stop], right[start:other_stop]
    if len(middle) * len(other_middle) > _MOST_PAIRS:
        yield middle, other_middle
    else:
        matcher = SequenceMatcher(
            None, keys[start:stop], other_keys[start:other_stop], autojunk=False
        )
        for what, i, j, k, m in matcher.get_opcodes():
            if what == "equal":
                yield from zip(_single(middle[i:j]), _single(other_middle[k:m]))
            else:
                yield middle[i:j], other_middle[k:m]
    yield from zip(_single(left[stop:]), _single(right[other_stop:]))


def _single(nodes: Iterable[_Node]) -> Iterator[list[_Node]]:
    return ([node] for node in nodes)


def _changed(one: _Node, other: _Node, depth: int, width: int) -> Lines:
    """The headings of a changed run, and those of its values that changed."""
    indent = "  " * depth
    lines: Lines = []
    if one.heading == other.heading:
        lines.append((" ", _cut(indent + one.heading, width)))
    else:
        lines += _replaced(indent + one.heading, indent + other.heading, width)
    matcher = SequenceMatcher(None, one.details, other.details, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what != "equal":
            lines += _changed_details(one.details[i:j], other.details[k:m], indent, width)
    return lines


def _changed_details(old: Sequence[str], new: Sequence[str], indent: str, width: int) -> Lines:
    """Details with the same label are a pair."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for line in new:
        waiting[_label(line)].append(line)
    lines: Lines = []
    for line in old:
        partners = waiting[_label(line)]
        if partners:
            lines += _replaced(indent + line, indent + partners.pop(0), width)
        else:
            lines.append(("-", _cut(indent + line, width)))
    lines += [("+", _cut(indent + line, width)) for left in waiting.values() for line in left]
    return lines


def _label(line: str) -> str:
    return " ".join(line.split(" ", 2)[:2])


def _all_lines(node: _Node, depth: int) -> Iterator[str]:
    todo = [(node, depth)]
    while todo:
        node, depth = todo.pop()
        indent = "  " * depth
        yield indent + node.heading
        yield from (indent + line for line in node.details)
        todo += [(child, depth + 1) for child in reversed(node.children)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _replaced(old: str, new: str, width: int) -> Lines:
    """A changed line, before and after, with the long parts that are the same left out."""
    if max(len(old), len(new)) <= width:
        return [("-", old), ("+", new)]
    label = _LABEL.match(old)
    start = label.end() if label is not None and new.startswith(label[0]) else 0
    tokens, other_tokens = _TOKEN.findall(old[start:]), _TOKEN.findall(new[start:])
    before, after = [old[:start]], [new[:start]]
    codes = SequenceMatcher(None, tokens, other_tokens, autojunk=False).get_opcodes()
    for number, (what, i, j, k, m) in enumerate(codes):
        text = "".join(tokens[i:j])
        if what != "equal":
            before.append(text)
            after.append("".join(other_tokens[k:m]))
            continue
        after_change = [] if number == 0 else tokens[i:j]
        before_change = [] if number == len(codes) - 1 else tokens[i:j][::-1]
        head = "".join(_context(after_change))
        tail = "".join(list(_context(before_change, -1))[::-1])
        if len(text) > len(head) + len(tail) + 1:
            text = f"{head}…{tail}"
        before.append(text)
        after.append(text)
    return [("-", "".join(before)), ("+", "".join(after))]


def _context(tokens: Iterable[str], direction: int = 1) -> Iterator[str]:
    """Tokens to show beside a change: whole ones, unless they are long."""
    length = 0
    for token in tokens:
        if length >= _CONTEXT:
            return
        shown = token if len(token) <= 2 * _CONTEXT else token[::direction][:_CONTEXT][::direction]
        length += len(shown)
        yield shown
