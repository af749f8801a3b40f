"""Tell whether a value that an admin typed is a host: a host name, a host with its port, an address or a URL."""

import re
import unicodedata
from ipaddress import ip_address
from typing import Final

from mailer.message.invisible import without_invisible

_MAX_LENGTH: Final = 2048
_QUOTES: Final = " \t\r\n\"'`<>"
_SEPARATOR = re.compile(r"[,;]")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]")
_WORDS = r"(?::(?:[0-9]{1,5}|submissions?|smtps?|tls|ssl|starttls))"
_HOST_AND_PORT = re.compile(rf"(?P<host>[^\s:/@]+)(?P<port>:[0-9]{{1,5}})?(?P<words>{_WORDS}{{0,2}})\Z")
_BRACKETED = re.compile(r"\[(?P<host>[^\]]*)\](?P<port>:[0-9]{1,5})?\Z")
_SPACED_PORT = re.compile(r"\s+:?[0-9]{1,5}\Z")
_LABEL = re.compile(r"[^\W_](?:[^\W_]|-){0,62}\Z")
# The parts of a token or of a version number are no top-level domain.
_LAST_LABEL = re.compile(r"(?:xn--.+|[^\W\d_](?:[^\W_]|-){1,23})\Z")


def is_host_like(text: str) -> bool:
    """Tell whether the text is a host, in quotes or not, with a log-in, a path, a port after a space, or more hosts.

    A name of one label is a host only with a port.
    """
    text = _without_log_in(text[:_MAX_LENGTH])
    host = _SEPARATOR.split(text, maxsplit=1)[0]
    if not host.isascii():
        host = unicodedata.normalize("NFKC", without_invisible(host))
    host = _SPACED_PORT.sub("", host.strip(_QUOTES).lower())
    return _URL.match(host) is not None or (host != "" and all(map(_is_one_host, host.split())))


def _without_log_in(text: str) -> str:
    """Return what follows `user:password@`; the password may hold any character but spaces."""
    log_in, _, host = text.strip(_QUOTES).rpartition("@")
    is_log_in = ":" in log_in and not log_in.lower().startswith("mailto:") and not any(map(str.isspace, log_in))
    return host if is_log_in and "://" not in log_in else text


def _is_one_host(host: str) -> bool:
    authority = host.removeprefix("//").partition("/")[0]
    matched = _BRACKETED.match(authority) or _HOST_AND_PORT.match(authority)
    if _is_address(authority if matched is None else matched["host"]):
        return True
    if matched is None:
        return False
    labels = matched["host"].removesuffix(".").split(".")
    if len(labels) == 1:
        return bool(matched["port"]) and _LABEL.match(labels[0]) is not None and not labels[0].isdecimal()
    return all(map(_LABEL.match, labels)) and _LAST_LABEL.match(labels[-1]) is not None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
