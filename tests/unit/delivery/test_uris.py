from __future__ import annotations

import pytest

from pytest_runlog.delivery.uris import check_uri, credentials_of, without_credentials


@pytest.mark.parametrize(
    "uri",
    [
        "./dir",
        "/var/infino",
        "~/infino",
        "C:\\infino",
        "s3://bucket",
        "s3://bucket/prefix",
        "az://container/x",
        "gs://bucket/x",
        "http://localhost:3000",
        "HTTPS://host",
    ],
)
def test_directories_buckets_and_servers_are_places_for_records(uri: str) -> None:
    check_uri(uri)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("", "it is empty; it can be a directory"),
        ("memory://", r"would be gone with the process that sends; .* `runlog\.infino`"),
        ("file:///var/infino", r"a directory is written as a path, such as \./dir"),
        ("htp://host", r"there is no htp://; did you mean http://\? It can be a directory"),
        ("s4://bucket", r"did you mean s3://\?"),
        ("postgresql://host/db", r"there is no postgresql://; It can be a directory"),
        ("http:/host", "names no host"),
        ("http://", "names no host"),
        ("s3:///prefix", "names no bucket or container"),
    ],
)
def test_any_other_place_is_refused_with_what_it_can_be(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_uri(uri)


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("http://me:pw@host:3000/x", "http://host:3000/x"),
        ("az://container/x?sig=abc#d", "az://container/x"),
        ("http://host?index=mine&key=abc", "http://host?index=mine"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("./a@b?c", "./a@b?c"),
    ],
)
def test_credentials_are_taken_from_a_uri_and_nothing_else(uri: str, kept: str) -> None:
    assert without_credentials(uri) == kept


def test_what_is_taken_from_a_uri_is_known_in_each_way_it_is_written() -> None:
    found = credentials_of("http://me:p%40ss@host/x?sig=abc#d")

    assert set(found) == {"me", "p%40ss", "p@ss", "sig", "abc", "d"}
    assert credentials_of("./me:pw@dir?x") == []
