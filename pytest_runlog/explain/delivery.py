"""What a user reads about records that did not arrive."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pytest_runlog.measures.units import count_text

if TYPE_CHECKING:
    from pytest_runlog.session.summary import Delivered


STOPPED = "it was stopped by Ctrl-C"


def not_delivered(delivered: Delivered) -> str:
    """Where the records are, why, and how they get to their place."""
    records = count_text(delivered.kept, "record")
    text = f"{records} did not get to {delivered.to}: {delivered.reason}. No result depends on it"
    if delivered.file is None:
        return f"{text}. They could not be kept in a file, and are lost"
    option = "" if delivered.is_addressed else " --to URI"
    return (
        f"{text}, and they are kept. To deliver them:\n"
        f"    pytest-runlog send {shlex.quote(delivered.file)}{option}"
    )
