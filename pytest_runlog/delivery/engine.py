"""The embedded engine `infino`: records as rows of two tables, in a directory or a bucket.

Only ever imported by a process that sends: the engine is large, and a process that forks
after it was used hangs.
"""

from __future__ import annotations

import json
import os
import random
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from pytest_runlog.delivery.sinks import NotDelivered
from pytest_runlog.delivery.uris import scheme_of, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_runlog.delivery.records import Record
    from pytest_runlog.infino.payloads import Kind

LABELS = ("session", "nodeid", "attempt", "chain", "path", "run_id", "model_id")
"""The labels that are columns; any others are in the column `labels`, as JSON."""
TABLES: dict[Kind, str] = {"metric": "metrics", "log": "logs"}
VALUES: dict[Kind, str] = {"metric": "value", "log": "text"}

_ENVIRONMENT = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
        *("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ALLOW_HTTP"),
        *("AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
    ),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        *("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"),
        *("AZURE_FEDERATED_TOKEN_FILE", "AZURE_STORAGE_ENDPOINT"),
    ),
    "gs": (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
    ),
}
"""What the engine is told of the environment, which it does not read by itself."""
GRACE = 600.0
"""Seconds after which files that no row needs are removed. Before that they may be those of a
session that is about to commit: `gc(0)` beside another writer destroys the table.
"""
_SMALL_FILES = 16
"""Each append adds a file. At so many they are merged, or each would make appends slower."""
_MERGED_SIZES = (1, 16, 256)
"""Megabytes. Files are merged into larger ones only when those are still too many."""
_LONGEST_PAUSE = 0.5


class EngineSink:
    """Appends to the tables `metrics` and `logs`, and makes them where there are none."""

    def __init__(self, uri: str, deadline: float) -> None:
        try:
            self._infino: Any = import_module("infino")
            self._arrow: Any = import_module("pyarrow")
        except ImportError as error:
            raise NotDelivered(
                f"{error}: the embedded engine is not installed here; "
                'pip install "pytest-runlog[infino]"',
                (),
            ) from None
        self._shown = without_credentials(uri)
        self._uri = uri if scheme_of(uri) is not None else str(Path(uri).expanduser().absolute())
        self._until = monotonic() + deadline

    def send(self, records: Sequence[Record]) -> None:
        """Append the records, those of a table at once. Raises `NotDelivered`."""
        left = list(records)
        for kind in TABLES:
            rows = [record for record in left if record.kind == kind]
            try:
                if rows:
                    self._append(kind, rows)
            except Exception as error:  # whatever the engine raises
                raise NotDelivered(self._reason(kind, error), left) from error
            left = [record for record in left if record.kind != kind]

    def tidy(self) -> None:
        """Remove the files that no row needs any more, and merge small ones if there are many.

        Every append leaves a manifest behind that is as large as the number of files it lists.
        """
        connection = self._connect()
        for name in connection.list_tables():
            if name not in TABLES.values():
                continue
            table = connection.open_table(name)
            for size in _MERGED_SIZES:
                if table.gc(GRACE).objects_skipped_live < _SMALL_FILES:
                    break
                table.optimize(
                    self._infino.OptimizeOptions(min_fill_percent=1, target_superfile_size_mb=size)
                )

    def _append(self, kind: Kind, records: Sequence[Record]) -> None:
        """One append, repeated while other writers are faster."""
        rows = self._arrow.Table.from_pylist(
            [_row(record) for record in records], schema=self._schema(kind)
        )
        pause = 0.01
        while True:
            try:
                self._table(kind).append(rows)
            except self._infino.ConflictError:
                pause = min(pause * 2, _LONGEST_PAUSE)
                if monotonic() + pause > self._until:
                    raise
                sleep(random.uniform(0, pause))  # noqa: S311 (so that writers do not meet again)
            else:
                return

    def _connect(self) -> Any:
        options = storage_options(self._uri, os.environ)
        return self._infino.connect(self._uri, storage_options=options, validate=False)

    def _table(self, kind: Kind) -> Any:
        name = TABLES[kind]
        connection = self._connect()
        try:
            return self._ours(connection.open_table(name))
        except KeyError:
            index = self._infino.IndexSpec()
            if kind == "log":
                index = index.fts(VALUES[kind])
        try:
            return connection.create_table(name, self._schema(kind), index)
        except ValueError:  # another session has made it meanwhile
            return self._ours(self._connect().open_table(name))

    @staticmethod
    def _ours(table: Any) -> Any:
        """The table, if it is one of ours: to any other, an append would add columns."""
        if "record_id" not in table.schema().names:
            raise ValueError(f"it has {', '.join(table.schema().names)}")
        return table

    def _schema(self, kind: Kind) -> Any:
        text = self._arrow.large_string()
        value = self._arrow.float64() if kind == "metric" else text
        return self._arrow.schema(
            [
                ("record_id", text),
                ("date", self._arrow.timestamp("us", tz="UTC")),
                ("key", text),
                (VALUES[kind], value),
                *((label, text) for label in LABELS),
                ("labels", text),
            ]
        )

    def _reason(self, kind: Kind, error: Exception) -> str:
        """What happened, in which table, and what to do."""
        text = " ".join(str(error).split()) or repr(error)
        place = f"table {TABLES[kind]!r} in {self._shown}"
        if isinstance(error, self._infino.ConflictError):
            return (
                f"other sessions were writing to {place} all the time ({text}); send it again, or "
                "give it longer (runlog_infino_deadline)"
            )
        if isinstance(error, ValueError):
            return (
                f"{place} has other columns than pytest-runlog writes ({text}); give the records a "
                "directory or prefix of their own"
            )
        check = "check the place and the access to it"
        if (names := _ENVIRONMENT.get(scheme_of(self._uri) or "")) is not None:
            check += f", which is read from environment variables such as {names[0]}"
        return f"infino could not write to {place}: {text}; {check}"


def storage_options(uri: str, environ: Mapping[str, str]) -> dict[str, str] | None:
    """How to reach a bucket, from the environment; `None` for a directory."""
    names = _ENVIRONMENT.get(scheme_of(uri) or "")
    if names is None:
        return None
    options = {name.lower(): environ[name] for name in names if environ.get(name)}
    if any(value.startswith("http://") for name, value in options.items() if "endpoint" in name):
        options.setdefault("aws_allow_http", "true")
    return options


def _row(record: Record) -> dict[str, Any]:
    labels = dict(record.labels)
    return {
        "record_id": record.record_id,
        "date": round(record.date * 1_000_000),
        "key": record.key,
        VALUES[record.kind]: record.value,
        **{label: labels.pop(label, None) for label in LABELS},
        "labels": json.dumps(labels, sort_keys=True) if labels else None,
    }
