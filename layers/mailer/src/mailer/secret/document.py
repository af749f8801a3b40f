"""Strict JSON for secrets: one object, no duplicate names, no constants such as NaN."""

import json
import math
from collections.abc import Mapping

import msgspec

from mailer.problem import Problem
from mailer.secret.spelling import is_mail_entry, shown

MAX_SECRET = 64 * 1024
_MAX_DIGITS = 18


class _Duplicate(Exception):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def decode(text: str) -> Mapping[str, object] | Problem:
    """Return the object's entries, or the problem if they cannot be read; never raises.

    An integer of more than 18 digits becomes infinity, and no entry accepts infinity.
    """
    if len(text) > MAX_SECRET or len(text.encode("utf-8", "surrogatepass")) > MAX_SECRET:
        return _TOO_LARGE
    try:
        value = _loads(text)
    except _Duplicate as duplicate:
        entry = shown(duplicate.name) if is_mail_entry(duplicate.name) else None
        return Problem("entry-duplicate", "The secret has this entry more than once. Keep one of them.", entry=entry)
    except ValueError as error:
        where = ""
        if isinstance(error, json.JSONDecodeError):
            where = f" The error is at line {error.lineno}, column {error.colno}."
        return Problem("secret-not-json", f"The secret is not JSON.{where} {_HOW_TO_EDIT}")
    if not isinstance(value, dict):
        return Problem("secret-not-object", f"The secret is not a JSON object of entries. {_HOW_TO_EDIT}")
    return value


def decode_within(text: str, entry: str) -> object | Problem:
    """Return the JSON value in an entry's text, or its problem; never raises."""
    try:
        return _loads(text)
    except _Duplicate:
        return Problem("entry-duplicate", "An object in it has the same name twice. Keep one of them.", entry=entry)
    except ValueError as error:
        remedy = "Write valid JSON: no NaN, no Infinity, fewer levels of objects and lists."
        if isinstance(error, json.JSONDecodeError):
            remedy = f"Correct the JSON at line {error.lineno}, column {error.colno} of this entry."
        return Problem("entry-not-json", remedy, entry=entry)


def is_writable(value: object) -> bool:
    """Tell whether a decoded value can be encoded again. Half of a surrogate pair cannot be encoded."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


def _loads(text: str) -> object:
    try:
        value: object = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer)
    except RecursionError:
        raise ValueError from None
    return value


_TOO_LARGE = Problem("secret-too-large", "The secret is larger than 64 KiB. Remove entries that are not about mail.")
_HOW_TO_EDIT = 'Edit it in the AWS console\'s Key/value view, or save it as plain text like {"smtpHost": "..."}.'


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries: dict[str, object] = {}
    for name, value in pairs:
        if name in entries:
            raise _Duplicate(name)
        entries[name] = value
    return entries


def _refuse_constant(_: str) -> object:
    raise ValueError


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf
