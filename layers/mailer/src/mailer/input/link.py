"""Check that a link in a system e-mail starts with the operator's `AppBaseUrl`.

Programs disagree on user names, backslashes, dots and encodings in URLs (RFC 3986 section 7). So only one narrow form
is allowed, and a link in any other form is refused.
"""

import re

MAX_LINK = 2_000

_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+\Z")
# A host without a user name, then port, path, query and fragment.
_PARTS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[^?#]*)?)(?:\?[^#]*)?(?:#[^#]*)?\Z",
    re.IGNORECASE,
)
# A malformed escape, or an escaped control character.
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:[01][0-9A-Fa-f]|7[Ff])")
# Escaped dots, slashes, backslashes and percent signs: some servers and browsers decode them before they use the path.
_DISGUISE = re.compile(r"%(?:2[EeFf5]|5[Cc])")
_DEFAULT_PORTS = {"https": "443", "http": "80"}


def is_link_allowed(link: str, app_base_url: str) -> bool:
    """Tell whether the link has the scheme, host and port of the base, and a path below the path of the base."""
    if len(link) > MAX_LINK or _BAD_ESCAPE.search(link):
        return False
    parts, base = _split(link), _split(app_base_url)
    if parts is None or base is None or parts[:3] != base[:3]:
        return False
    path, prefix = parts[3], base[3].rstrip("/")
    rest = path.removeprefix(prefix)
    return path.startswith(prefix) and rest[:1] in ("", "/") and _is_plain(rest)


def _split(url: str) -> tuple[str, str, str, str] | None:
    """Return scheme, host, port and path."""
    matched = _PARTS.match(url) if _CHARACTERS.match(url) else None
    if matched is None:
        return None
    scheme, host = matched["scheme"].lower(), matched["host"].lower()
    return scheme, host, matched["port"] or _DEFAULT_PORTS[scheme], matched["path"]


def _is_plain(path: str) -> bool:
    """Tell whether all programs read the path in the same way: no empty or dot segments, no disguised characters."""
    # Some servers read `..;x` as `..`.
    segments = [segment.partition(";")[0] for segment in path.split("/")]
    return "//" not in path and not _DISGUISE.search(path) and not any(each in (".", "..") for each in segments)
