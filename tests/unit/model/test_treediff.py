"""What differs between two trees of runs."""

from __future__ import annotations

from textwrap import dedent

import pytest

from pytest_runlog.model.treediff import diff_trees, first_odd_line

TREE = """\
RunnableSequence (chain)
| in     "why?"
| out    "JSON Patch"
  ChatPromptTemplate (prompt)
  | in     "why?"
  | out    [HumanMessage("why?")]
  search (tool)
  | in     {"q": "why?"}
  | out    "found"
  FakeChat (chat_model fake-1)
  | in     [HumanMessage("why?")]
  | out    AIMessage("JSON Patch")
  StrOutputParser (parser)
  | in     AIMessage("JSON Patch")
  | out    "JSON Patch\""""


def diff(old: str, new: str, width: int = 72) -> str:
    return "\n".join(diff_trees(old, new, width)) + "\n"


def diff_of(old: str, new: str) -> str:
    return diff(dedent(old).strip("\n"), dedent(new).strip("\n"))


def test_trees_that_are_the_same_differ_in_nothing() -> None:
    assert diff_trees(TREE, TREE, 72) == []


def test_a_changed_value_is_shown_below_the_headings_that_lead_to_it() -> None:
    assert (
        diff(TREE, TREE.replace('{"q": "why?"}', '{"q": "how?"}'))
        == """\
  RunnableSequence (chain)
    …
    search (tool)
-   | in     {"q": "why?"}
+   | in     {"q": "how?"}
    …
"""
    )


def test_values_of_a_run_that_are_the_same_are_left_out() -> None:
    assert (
        diff(TREE, TREE.replace('| out    "JSON Patch"\n  Chat', "| out    null\n  Chat"))
        == """\
  RunnableSequence (chain)
- | out    "JSON Patch"
+ | out    null
"""
    )


def test_a_run_that_failed_has_another_heading_and_other_values() -> None:
    failed = TREE.replace("search (tool)", "search (tool) ERROR")

    assert (
        diff(TREE, failed.replace('| out    "found"', '| error  Down("no")'))
        == """\
  RunnableSequence (chain)
    …
-   search (tool)
+   search (tool) ERROR
-   | out    "found"
+   | error  Down("no")
    …
"""
    )


def test_another_model_changes_one_heading() -> None:
    assert (
        diff(TREE, TREE.replace("fake-1", "fake-2"))
        == """\
  RunnableSequence (chain)
    …
-   FakeChat (chat_model fake-1)
+   FakeChat (chat_model fake-2)
    …
"""
    )


def test_runs_that_are_only_in_one_tree_are_shown_with_all_that_is_below_them() -> None:
    old = """
        a (chain)
          b (chain)
            c (tool)
            | in     1
          d (chain)
    """
    new = """
        a (chain)
          d (chain)
          e (tool)
          | in     2
    """
    assert (
        diff_of(old, new)
        == """\
  a (chain)
-   b (chain)
-     c (tool)
-     | in     1
    …
+   e (tool)
+   | in     2
"""
    )


def test_a_run_that_came_in_between_others_changes_none_of_them() -> None:
    old = """
        a (chain)
          b (tool)
          | in     1
          b (tool)
          | in     3
    """
    new = """
        a (chain)
          b (tool)
          | in     1
          b (tool)
          | in     2
          b (tool)
          | in     3
    """
    assert (
        diff_of(old, new)
        == """\
  a (chain)
    …
+   b (tool)
+   | in     2
    …
"""
    )


def test_a_renamed_run_is_recognised_by_its_type_and_what_is_below_it() -> None:
    old = """
        a (chain)
          b (tool)
          | in     1
    """
    assert (
        diff_of(old, old.replace("a (chain)", "z (chain)"))
        == """\
- a (chain)
+ z (chain)
"""
    )


def test_a_run_of_another_type_is_another_run() -> None:
    assert (
        diff("a (chain)\n| in     1", "b (tool)\n| in     1")
        == """\
- a (chain)
- | in     1
+ b (tool)
+ | in     1
"""
    )


def test_roots_that_are_the_same_are_folded() -> None:
    old = "a (chain)\nb (chain)\n| in     1\nc (chain)\nd (chain)"

    assert (
        diff(old, old.replace("1", "2"))
        == """\
  …
  b (chain)
- | in     1
+ | in     2
  …
"""
    )


def test_each_changed_value_stands_beside_the_one_before_it() -> None:
    old = "a (chain)\n| tags   1\n| in     1\n| out    1"
    new = "a (chain)\n| meta   2\n| in     2\n| out    2"

    assert (
        diff(old, new)
        == """\
  a (chain)
- | tags   1
- | in     1
+ | in     2
- | out    1
+ | out    2
+ | meta   2
"""
    )


def test_what_is_the_same_in_a_long_line_is_left_out() -> None:
    old = f'a (chain)\n| in     "{"x, " * 30}why{", y" * 30}, now"'

    assert (
        diff(old, old.replace("why", "how").replace("now", "then"))
        == """\
  a (chain)
- | in     …x, x, x, x, why, y, y, y, y…y, y, y, y, now"
+ | in     …x, x, x, x, how, y, y, y, y…y, y, y, y, then"
"""
    )


def test_a_line_that_fits_is_shown_whole() -> None:
    old = f'a (chain)\n| in     "{"x " * 40}why"'
    line = f'- | in     "{"x " * 40}why"'

    assert diff_trees(old, old.replace("why", "how"), len(line))[1] == line
    assert diff_trees(old, old.replace("why", "how"), len(line) - 1)[1] == (
        '- | in     …x x x x x x why"'
    )


def test_a_line_that_is_only_in_one_tree_is_cut_where_it_would_not_fit() -> None:
    new = f'{TREE}\n  late (tool)\n  | in     "{"x" * 100}"'

    assert (
        diff(TREE, new)
        == f"""\
  RunnableSequence (chain)
    …
+   late (tool)
+   | in     "{"x" * 57}…
"""
    )


def test_what_looks_like_a_line_of_a_tree_inside_of_a_value_is_none() -> None:
    old = 'a (chain)\n| in     "| out    1\\n  b (chain)"'

    assert (
        diff(old, old.replace("1", "2"))
        == """\
  a (chain)
- | in     "| out    1\\n  b (chain)"
+ | in     "| out    2\\n  b (chain)"
"""
    )


def test_text_that_is_no_tree_is_compared_by_its_lines() -> None:
    assert (
        diff("one\n  two\n\nthree", "one\n  2\n\nthree")
        == """\
  one
-   two
+   2
  …
"""
    )


def test_a_tree_of_two_thousand_runs_below_each_other_is_compared() -> None:
    old = "\n".join(f"{'  ' * depth}a (chain)" for depth in range(2_000))

    lines = diff_trees(old, f"{old}\n{'  ' * 1_999}| in     1", 72)

    assert len(lines) == 2_001
    assert lines[-1].startswith("+ ")


def test_long_lists_of_runs_are_compared_without_comparing_each_with_each() -> None:
    old = "\n".join(f"a (tool)\n| in     {number}" for number in range(3_000))
    new = "\n".join(f"a (tool)\n| in     {number}" for number in range(1, 3_001))

    assert len(diff_trees(old, new, 72)) == 9_000


@pytest.mark.parametrize(
    "tree",
    [
        TREE,
        "a (chain) attempt 2 ERROR",
        "a b (chat_model gpt 4) UNFINISHED",
        "no runs",
        "run 1\n| log    x\nno run\n| log    y",
        "a (chain)\n  b (chain)\n| in     1".replace("\n|", "\n  |"),
    ],
)
def test_each_line_of_a_tree_is_one(tree: str) -> None:
    assert first_odd_line(tree) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("nonsense", 1),
        ("a (chain)\n    b (chain)", 2),
        ("a (chain)\n b (chain)", 2),
        ("a (chain)\n  | in     1", 2),
        ("| in     1", 1),
        ("a (chain)\n<<<<<<< HEAD\n| in     1", 2),
        ("a (chain)\n| in     1\n\n", 3),
    ],
    ids=["empty", "other", "too deep", "odd", "bar too deep", "bar first", "conflict", "blank"],
)
def test_the_first_line_that_is_none_is_told(text: str, line: int) -> None:
    assert first_odd_line(text) == line
