"""How it is said where records are delivered to: what a URI can be, and what of it is secret."""

from __future__ import annotations

import re
from difflib import get_close_matches
from urllib.parse import parse_qsl, unquote, urlencode

ENGINE_SCHEMES = ("s3", "az", "gs")
HTTP_SCHEMES = ("http", "https")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_USER = re.compile(r"(?<=://)[^/@]*@")


def check_uri(uri: str) -> None:
    """Raise `ValueError`, which says what else it can be, for a URI that names no sink."""
    scheme = scheme_of(uri)
    if not uri.strip():
        raise ValueError(f"it is empty; it can be {_EXAMPLES}")
    if scheme == "memory":
        raise ValueError(
            f"{uri!r} would be gone with the process that sends; in memory a test has everything "
            f"in `runlog.infino`. To keep it: {_EXAMPLES}"
        )
    if scheme == "file":
        raise ValueError(f"{uri!r}: a directory is written as a path, such as ./dir")
    known = (*ENGINE_SCHEMES, *HTTP_SCHEMES)
    if scheme is not None and scheme not in known:
        near = get_close_matches(scheme, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}://? " if near else ""
        raise ValueError(f"{uri!r}: there is no {scheme}://; {hint}It can be {_EXAMPLES}")
    if scheme is not None and not re.match(r"[a-z0-9]+://[^/?#]", uri, re.IGNORECASE):
        raise ValueError(f"{uri!r} names no {_NAMED[scheme]}; it can be {_EXAMPLES}")


def scheme_of(uri: str) -> str | None:
    """The scheme in lower case; `None` of a path, also of one with a drive letter."""
    found = _SCHEME.match(uri)
    return found.group(1).lower() if found else None


def without_credentials(uri: str) -> str:
    """The URI without a user and a password, and of its query only the `index`.

    The rest of it may be a signature.
    """
    if scheme_of(uri) is None:
        return uri
    address, _, query = _USER.sub("", uri).partition("#")[0].partition("?")
    kept = urlencode([pair for pair in parse_qsl(query) if pair[0] == "index"])
    return f"{address}?{kept}" if kept else address


def credentials_of(uri: str) -> list[str]:
    """What `without_credentials` leaves out, as it may turn up elsewhere."""
    if scheme_of(uri) is None:
        return []
    found = _USER.search(uri)
    user = found.group()[:-1].split(":") if found else []
    return [*user, *(unquote(part) for part in user), *re.split("[?#&=]", uri)[1:]]


_EXAMPLES = "a directory (./dir), s3://bucket/prefix, az://…, gs://… or http://host:3000"
_NAMED = {
    **dict.fromkeys(ENGINE_SCHEMES, "bucket or container"),
    **dict.fromkeys(HTTP_SCHEMES, "host"),
}
