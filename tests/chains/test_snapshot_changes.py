"""A change in what a chain does changes its tree, and the diff shows that and nothing else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableBranch, RunnableLambda
from langchain_core.tools import tool

from pytest_runlog import RunLogCapture, record
from pytest_runlog.explain.wording import WIDTH
from pytest_runlog.model.treediff import diff_trees
from support.chains import join, retriever
from support.models import ModelDown, chat


@tool
def convert(amount: int, currency: str) -> str:
    """Convert an amount of money."""
    return f"{amount} {currency}"


def desk(
    system: str = "Answer briefly.",
    *,
    currency: str = "EUR",
    branch: str = "price",
    model: str = "gpt-5",
    answer: Any = "Two.",
) -> Runnable[Any, str]:
    """Looks something up and converts a price, or searches for a place; then a model answers."""
    price = RunnableLambda(
        lambda _: convert.invoke({"amount": 2, "currency": currency}), name="buy"
    )
    place: Runnable[Any, str] = RunnableLambda(lambda _: "shelf 12", name="find")
    is_price: Runnable[Any, bool] = RunnableLambda(
        lambda _: branch == "price", name="is it a price?"
    )
    return (
        {
            "rules": retriever() | join,
            "facts": RunnableBranch((is_price, price), place),
        }
        | ChatPromptTemplate.from_messages([("system", system), ("human", "{facts} {rules}")])
        | chat(answer, model=model)
        | StrOutputParser()
    )


def recorded(chain: Runnable[Any, Any]) -> RunLogCapture:
    with record() as log:
        try:
            chain.invoke("how much?")
        except ModelDown:
            assert log.errors
    return log


def change(**changed: Any) -> str:
    """What is shown of a chain that was changed like that."""
    lines = diff_trees(recorded(desk()).tree(), recorded(desk(**changed)).tree(), WIDTH)
    return "\n".join(lines) + "\n"


def test_the_same_chain_shows_no_change() -> None:
    assert diff_trees(recorded(desk()).tree(), recorded(desk()).tree(), WIDTH) == []


def test_a_changed_prompt_is_shown_where_it_is_made_and_where_it_is_read() -> None:
    assert (
        change(system="Answer at length.")
        == """\
  RunnableSequence (chain)
    …
    ChatPromptTemplate (prompt)
-   | out    …SystemMessage("Answer briefly."), HumanMessage…
+   | out    …SystemMessage("Answer at length."), HumanMessage…
    FakeChat (chat_model gpt-5)
-   | in     [SystemMessage("Answer briefly."), HumanMessage…
+   | in     [SystemMessage("Answer at length."), HumanMessage…
    …
"""
    )


def test_a_changed_argument_of_a_tool_is_shown_with_all_that_follows_from_it() -> None:
    assert (
        change(currency="USD")
        == """\
  RunnableSequence (chain)
    RunnableParallel<rules,facts> (chain)
-   | out    {"facts": "2 EUR", "rules": "JSON Patch is RFC 6902."}
+   | out    {"facts": "2 USD", "rules": "JSON Patch is RFC 6902."}
      RunnableBranch (chain)
-     | out    "2 EUR"
+     | out    "2 USD"
        …
        buy (chain)
-       | out    "2 EUR"
+       | out    "2 USD"
          convert (tool)
-         | in     {"amount": 2, "currency": "EUR"}
+         | in     {"amount": 2, "currency": "USD"}
-         | out    "2 EUR"
+         | out    "2 USD"
      …
    ChatPromptTemplate (prompt)
-   | in     {"facts": "2 EUR", "rules": "JSON Patch is RFC 6902."}
+   | in     {"facts": "2 USD", "rules": "JSON Patch is RFC 6902."}
-   | out    …HumanMessage("2 EUR JSON Patch …
+   | out    …HumanMessage("2 USD JSON Patch …
    FakeChat (chat_model gpt-5)
-   | in     …HumanMessage("2 EUR JSON Patch …
+   | in     …HumanMessage("2 USD JSON Patch …
    …
"""
    )


def test_another_branch_is_shown_as_runs_that_went_and_came() -> None:
    shown = change(branch="place")

    assert shown.startswith("""\
  RunnableSequence (chain)
    RunnableParallel<rules,facts> (chain)
-   | out    {"facts": "2 EUR", "rules": "JSON Patch is RFC 6902."}
+   | out    {"facts": "shelf 12", "rules": "JSON Patch is RFC 6902."}
      RunnableBranch (chain)
-     | out    "2 EUR"
+     | out    "shelf 12"
        is it a price? (chain)
-       | out    true
+       | out    false
-       buy (chain)
-       | in     "how much?"
-       | out    "2 EUR"
-         convert (tool)
-         | in     {"amount": 2, "currency": "EUR"}
-         | out    "2 EUR"
+       find (chain)
+       | in     "how much?"
+       | out    "shelf 12"
      …
    ChatPromptTemplate (prompt)
""")


def test_an_error_is_shown_where_it_arose_and_on_its_way_up() -> None:
    assert (
        change(answer=ModelDown("503"))
        == """\
- RunnableSequence (chain)
+ RunnableSequence (chain) ERROR
- | out    "Two."
+ | error  ModelDown("503")
    …
-   FakeChat (chat_model gpt-5)
+   FakeChat (chat_model gpt-5) ERROR
-   | out    AIMessage("Two.")
+   | error  ModelDown("503")
-   StrOutputParser (parser)
-   | in     AIMessage("Two.")
-   | out    "Two."
"""
    )


def test_another_model_is_shown_by_its_name() -> None:
    assert (
        change(model="gpt-5-mini")
        == """\
  RunnableSequence (chain)
    …
-   FakeChat (chat_model gpt-5)
+   FakeChat (chat_model gpt-5-mini)
    …
"""
    )


def test_another_answer_is_shown_wherever_it_went() -> None:
    assert (
        change(answer="Three.")
        == """\
  RunnableSequence (chain)
- | out    "Two."
+ | out    "Three."
    …
    FakeChat (chat_model gpt-5)
-   | out    AIMessage("Two.")
+   | out    AIMessage("Three.")
    StrOutputParser (parser)
-   | in     AIMessage("Two.")
+   | in     AIMessage("Three.")
-   | out    "Two."
+   | out    "Three."
"""
    )


@pytest.mark.parametrize(
    "changed",
    [{"system": "Answer at length."}, {"currency": "USD"}, {"answer": "Three."}],
    ids=["prompt", "argument", "answer"],
)
def test_the_shape_survives_other_words_and_the_structure_does_not(changed: Any) -> None:
    before, after = recorded(desk()), recorded(desk(**changed))

    assert before.tree("shape") == after.tree("shape")
    assert before.tree("structure") != after.tree("structure")


@pytest.mark.parametrize(
    "changed", [{"branch": "place"}, {"answer": ModelDown("503")}], ids=["branch", "error"]
)
def test_the_shape_does_not_survive_other_runs_and_errors(changed: Any) -> None:
    assert recorded(desk()).tree("shape") != recorded(desk(**changed)).tree("shape")


IMAGE = base64.b64encode(bytes(range(100))).decode()
IMAGE_SHOWN = 'bytes(type="image/png", size=100, sha256="bce0aff19cf5")'


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (
            [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}],
            f'HumanMessage([{{"image_url": {{"url": {IMAGE_SHOWN}}}, "type": "image_url"}}])',
        ),
        ("\x1b[2J\x07 a\tb\u202e", 'HumanMessage("\\u001b[2J\\u0007 a\\tb\\u202e")'),
    ],
    ids=["image", "control characters"],
)
def test_awkward_content_is_shown_on_one_safe_line(
    content: Any, shown: str, runlog: RunLogCapture
) -> None:
    chat().invoke([HumanMessage(content)])

    assert runlog.tree().splitlines()[1] == f"| in     [{shown}]"


def test_another_image_changes_the_tree() -> None:
    def asked(image: str) -> str:
        with record() as log:
            chat().invoke([HumanMessage([{"type": "image", "base64": image, "mime_type": "a/b"}])])
        return log.tree()

    assert asked(IMAGE) != asked(IMAGE.replace("AAECAw", "AAECBA"))
