"""The command `pytest-runlog`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runlog.delivery.sending import THREAD, Sent, send_spool
from pytest_runlog.delivery.spool import FOLDER, spool_files, temporary_folder
from pytest_runlog.delivery.uris import check_uri
from pytest_runlog.measures.units import parse_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

FINE, FAILED, USAGE = 0, 1, 2
SECONDS = 60.0
"""How long the delivery of a file may take."""


def default_folders() -> list[Path]:
    """Where sessions put their spool files, unless `runlog_spool` says otherwise."""
    folders = [Path(".pytest_cache", FOLDER)]
    with suppress(PermissionError):
        folders.append(temporary_folder())
    return folders


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="pytest-runlog", description="What pytest-runlog does besides tests."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    send = commands.add_parser(
        "send",
        help="deliver records that a session could not deliver",
        description=(
            "Deliver the records that a session could not deliver: those of spool files, of the "
            "spool files of directories, or of all spool files in the default places. What "
            "arrived is removed from its file."
        ),
        epilog="Exit codes: 0 everything was delivered, 1 something was not, 2 wrong usage.",
    )
    send.add_argument("paths", nargs="*", type=Path, metavar="FILE|DIR")
    send.add_argument(
        "--to",
        metavar="URI",
        help="where to: ./dir, s3://bucket/prefix, http://host:3000 (default: where the file "
        "says); - reads it from the standard input, so that nobody sees its password",
    )
    send.add_argument(
        "--deadline",
        type=_seconds,
        default=SECONDS,
        metavar="TIME",
        help="how long each file may take: 10s, 2min (default: 60s)",
    )
    send.add_argument("--json", action="store_true", help="print one JSON object per file")
    options = parser.parse_args(arguments)
    return _send(send, options)


def run() -> None:
    """The entry point of the script: does not wait for a sink that was given up."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if any(thread.name == THREAD for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)


def _send(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    to: str | None = options.to
    if to == "-":
        to = sys.stdin.readline().rstrip("\n")
    if to is not None:
        try:
            check_uri(to)
        except ValueError as error:
            parser.error(f"--to: {error}")
    files: list[Path] = []
    for path in options.paths or default_folders():
        if path.is_dir():
            files += spool_files(path)
        elif path.is_file():
            files.append(path)
        elif options.paths:
            parser.error(f"{path} is neither a file nor a directory")
    codes = [FINE]

    def tell(sent: Sent) -> None:
        codes.append(FINE if sent.reason is None else FAILED)
        text = json.dumps(sent.to_dict()) if options.json else sent.text
        print(text, file=sys.stdout if sent.reason is None or options.json else sys.stderr)

    for path in files:
        send_spool(path, to, options.deadline, tell)
    if not files and not options.json:
        looked_at = " and ".join(map(str, options.paths or default_folders()))
        print(f"There is nothing to send in {looked_at}.")  # noqa: T201
    return max(codes)


def _seconds(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    run()
