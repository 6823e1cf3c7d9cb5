"""Whatever a value is, it becomes data that JSON can hold, text on one line, and no secret."""

from __future__ import annotations

import ast
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_runlog.model.data import to_data
from pytest_runlog.model.masking import Mask
from pytest_runlog.model.secrets import secrets_in
from pytest_runlog.model.text import name_text, value_text
from support.values import texts, values

NO_MASK = Mask()


@given(values)
def test_every_value_becomes_data_that_json_can_hold(value: Any) -> None:
    data = to_data(value, NO_MASK)

    assert json.loads(json.dumps(data, allow_nan=False)) == data


@given(values)
def test_data_that_is_converted_again_stays_as_it_is(value: Any) -> None:
    data = to_data(value, NO_MASK)

    assert to_data(data, NO_MASK) == data


@given(values)
def test_data_that_is_masked_again_stays_as_it_is(value: Any) -> None:
    mask = Mask(secrets=secrets_in([value]))
    data = to_data(value, mask)

    assert to_data(data, mask) == data


@given(values)
def test_a_value_gives_the_same_data_each_time(value: Any) -> None:
    assert to_data(value, NO_MASK) == to_data(value, NO_MASK)


@given(values)
def test_the_text_of_a_value_is_one_short_line_that_no_terminal_obeys(value: Any) -> None:
    text = value_text(to_data(value, NO_MASK))

    assert text.isprintable()
    assert len(text) < 700


@given(texts)
def test_the_text_of_a_name_is_one_line_and_tells_names_apart(name: str) -> None:
    text = name_text(name)

    assert text.isprintable()
    assert text.strip() == text != ""
    assert text == name or ast.literal_eval(text) == name


secrets = st.text("0123456789\n\"'\\é", min_size=8, max_size=20).map("sk-{}!".format)


@given(
    secrets,
    st.sampled_from(["api_key", "Authorization", "db.password", "credentials"]),
    values,
    st.sampled_from(
        [
            lambda secret: secret,
            lambda secret: f"key={secret}&x",
            lambda secret: {secret: 1},
            lambda secret: ValueError(f"bad {secret}"),
            lambda secret: json.dumps({"key": secret}),
            lambda secret: {"more": [repr(secret)]},
        ]
    ),
)
def test_a_secret_is_nowhere_in_the_data(secret: str, key: str, other: Any, elsewhere: Any) -> None:
    value = [elsewhere(secret), other, {"deep": [{key: [secret]}]}, elsewhere(secret)]
    data = to_data(value, Mask(secrets=secrets_in([value])))

    assert secret not in json.dumps(data, ensure_ascii=False)
    assert json.dumps(secret)[1:-1] not in json.dumps(data)
