"""What is never shown: secrets, and what changes though nothing changed."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from pytest_runlog.model.masking import (
    Mask,
    environment_secrets,
    is_secret_key,
    is_volatile_id,
    parts_of_secret,
)

RUN = "0192d3a0-1111-7222-8333-444455556666"
OTHER = "0192d3a0-9999-7222-8333-444455556666"


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apikey",
        "apiKey",
        "APIKey",
        "api-key",
        "x-api-key",
        "OPENAI_API_KEY",
        "openai_api_keys",
        "Authorization",
        "password",
        "db.password",
        "passwords",
        "client_secret",
        "secretValue",
        "token",
        "accessToken",
        "GITHUB_TOKEN",
        "id_token",
        "aws_credential",
        "credentials",
    ],
)
def test_a_key_with_the_word_for_a_secret_holds_one(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "total_tokens",
        "tokens",
        "token_usage",
        "token_count",
        "max_token",
        "maxToken",
        "token_ids",
        "secret_id",
        "tokenizer",
        "tokenize",
        "secretary",
        "passwordless",
        "keyboard",
        "api",
        "key",
        "author",
        "",
    ],
)
def test_a_key_that_counts_or_only_sounds_like_a_secret_holds_none(key: str) -> None:
    assert not is_secret_key(key)


def test_environment_variables_named_like_secrets_are_secrets() -> None:
    environ = {"OPENAI_API_KEY": "sk-12345678", "HOME": "/root", "MAX_TOKEN": "12345678"}

    assert environment_secrets(environ) == {"sk-12345678"}


@pytest.mark.parametrize("value", ["", " ", "0", "1", "true", "False", "off"])
def test_a_variable_that_switches_something_is_no_secret(value: str) -> None:
    assert environment_secrets({"HF_HUB_DISABLE_IMPLICIT_TOKEN": value}) == set()


def test_the_environment_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-of-this-test")

    assert "sk-of-this-test" in environment_secrets()


def test_a_secret_is_looked_for_as_python_and_json_write_it() -> None:
    assert set(parts_of_secret('a"\né')) == {'a"\né', 'a"\\né', 'a\\"\\n\\u00e9', 'a\\"\\né'}


def test_what_follows_the_scheme_of_an_authorization_is_a_secret_of_its_own() -> None:
    assert set(parts_of_secret("Bearer abc12345")) == {"Bearer abc12345", "abc12345"}


def test_space_around_a_secret_is_not_part_of_it() -> None:
    assert "sk-1234" in set(parts_of_secret("sk-1234\n"))


def test_a_secret_is_masked_wherever_it_turns_up() -> None:
    mask = Mask(secrets=frozenset({"sk-12345678"}))

    assert mask.text("sk-12345678") == "<secret>"
    assert mask.text("key=sk-12345678&x=1") == "key=<secret>&x=1"
    assert mask.text("nothing here") == "nothing here"


def test_a_short_secret_is_masked_only_where_it_stands_alone() -> None:
    mask = Mask(secrets=frozenset({"abc"}))

    assert mask.text("abc") == "<secret>"
    assert mask.text("abcdef") == "abcdef"


def test_the_longest_of_several_secrets_is_masked_first() -> None:
    mask = Mask(secrets=frozenset({"secret-one", "secret-one-and-more"}))

    assert mask.text("x secret-one-and-more y secret-one z") == "x <secret> y <secret> z"


def test_a_secret_may_hold_characters_that_patterns_are_made_of() -> None:
    assert Mask(secrets=frozenset({"a.*+(b"})).text("xa.*+(bx axxxxb") == "x<secret>x axxxxb"


@pytest.mark.parametrize("secret", ["secret", "<secret>", "run id", "masked"])
def test_masked_text_stays_as_it_is(secret: str) -> None:
    mask = Mask(frozenset({secret}), frozenset({UUID(RUN).int}), (re.compile("foo+"),))
    masked = mask.text(f"my {secret} {RUN} run-{OTHER} fooo")

    assert mask.text(masked) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (RUN, "<run id>"),
        (f"in {RUN}.", "in <run id>."),
        (OTHER, OTHER),
        (f"run-{OTHER}", "<run id>"),
        (f"run--{OTHER}-0", "<run id>"),
        (f"lc_run--{OTHER}", "<run id>"),
        (f"dry-run-{OTHER}", "dry-<run id>"),
        ("2024-01-02", "2024-01-02"),
    ],
)
def test_ids_of_runs_are_masked_but_not_other_ids(text: str, masked: str) -> None:
    assert Mask(run_ids=frozenset({UUID(RUN).int})).text(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("<object object at 0x7f00aBcD>", "<object object at 0x…>"),
        ("<f at 0x1> and <g at 0x2>", "<f at 0x…> and <g at 0x…>"),
        ("<bound method A.f of <A object at 0x12>>", "<bound method A.f of <A object at 0x…>>"),
        ("<weakref at 0x12; to 'A' at 0x34>", "<weakref at 0x…; to 'A' at 0x…>"),
        (
            '<code object f at 0x12, file "<stdin>", line 1>',
            '<code object f at 0x…, file "<stdin>", line 1>',
        ),
        (
            "<frame at 0x12, file 'a.py', line 1, code <module>>",
            "<frame at 0x…, file 'a.py', line 1, code <module>>",
        ),
        ("<Mock name='a.b' id='140234'>", "<Mock name='a.b' id=…>"),
        ("<MagicMock spec='str' id='140234'>", "<MagicMock spec='str' id=…>"),
        ("look at 0x7f00 in the dump", "look at 0x7f00 in the dump"),
        ("<user id='140234'>", "<user id='140234'>"),
    ],
)
def test_addresses_in_default_reprs_are_masked_and_nobodys_own_numbers(
    text: str, masked: str
) -> None:
    assert Mask().text(text) == masked


def test_an_error_of_pydantic_does_not_say_which_version_raised_it() -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(int).validate_python("x")

    shown = Mask().text(str(raised.value))
    assert shown.endswith("visit https://errors.pydantic.dev/…/v/int_parsing")
    assert Mask().text("see https://pydantic.dev/2.11/") == "see https://pydantic.dev/2.11/"


def test_what_the_user_masks_is_masked() -> None:
    mask = Mask(patterns=(re.compile(r"\d{4}-\d\d-\d\d"), re.compile("acme")))

    assert mask.text("acme, 2024-01-02") == "<masked>, <masked>"


@pytest.mark.parametrize("value", [RUN, f"run-{RUN}", f"lc_run--{RUN}-0"])
def test_an_id_that_langchain_made_up_is_volatile(value: str) -> None:
    assert is_volatile_id(value)


@pytest.mark.parametrize("value", [None, "", "doc-1", f"doc-{RUN}", 7])
def test_an_id_that_the_user_gave_is_not_volatile(value: object) -> None:
    assert not is_volatile_id(value)
