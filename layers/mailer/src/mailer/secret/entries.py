"""Readers for single entries of a secret.

The AWS console makes every value a string; JSON may hold numbers, booleans and lists. Surrounding spaces are trimmed
except in credentials. Control characters are invalid. A value that cannot be read is a problem, never a default. If it
has an invisible character, the remedy says so: an admin cannot see what is wrong.
"""

import re
from collections.abc import Callable, Mapping
from copy import replace
from enum import StrEnum

import msgspec

from mailer.message.address import Address, InvalidAddress, parse_address
from mailer.message.invisible import has_invisible, without_invisible
from mailer.problem import InvalidText, Problem
from mailer.relay.secret_str import SecretStr
from mailer.secret.entry_table import KNOWN, SENDER

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_PEM = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_SECONDS = re.compile(r"(?:0|[1-9][0-9]{0,4})(?:\.[0-9]{1,3})?\Z")
_MAX_POSITIONS = 10
_INVISIBLE_CHARACTER = "The value has an invisible character: type the value instead of pasting it."
_CONTROL_CHARACTER = "Remove control characters such as line breaks and tabs: type the value instead of pasting it."


class Words(msgspec.Struct, frozen=True):
    """The names that readers and diagnoses use for entries; by default the entries' own names.

    `names` maps an entry to its other name. `place` is the prefix of these names, such as `emailProviders.backup`.
    """

    names: Mapping[str, str] = {}
    place: str = ""

    def of(self, entry: str) -> str:
        """Return the entry's name that the admin knows."""
        return self.names.get(entry, entry)

    def place_of(self, entry: str | None) -> str | None:
        """Return the entry's full name with its place; if the entry is not a member of a provider, the place alone."""
        # All providers share the entries about the sender.
        if not self.place or entry in SENDER:
            return entry and self.of(entry)
        name = self.names.get(entry or "")
        return self.place if name is None else f"{self.place}.{name}"

    def fill(self, text: str) -> str:
        """Return the text with `{smtpHost}` and the like replaced by the names that the admin knows."""
        return text.format_map({entry: self.of(entry) for entry in KNOWN})


ENTRY_WORDS = Words()


class Entries:
    """The values of settings, and all problems and warnings found while reading them. `words` has the settings' names.

    A method that finds a problem reports it and returns None. For an absent entry it returns None without a problem.
    With `missing`, a remedy, an absent or empty entry is a problem too.
    """

    def __init__(self, values: Mapping[str, object], words: Words = ENTRY_WORDS) -> None:
        self._values = values
        self._problems: set[Problem] = set()
        self._warnings: set[Problem] = set()
        self.words = words

    def __contains__(self, name: str) -> bool:
        return self.words.of(name) in self._values

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all settings, known or not."""
        return tuple(self._values)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems reported so far, sorted by entry."""
        return _sorted(self._problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings so far, sorted by entry."""
        return _sorted(self._warnings)

    def value(self, name: str) -> object:
        """Return the raw value; None if absent."""
        return self._values.get(self.words.of(name))

    def report(self, name: str, code: str, remedy: str) -> None:
        """Add a problem of the entry."""
        self._problems.add(Problem(code, remedy, entry=self.words.place_of(name)))

    def refuse(self, name: str, code: str, remedy: str) -> None:
        """Add a problem of the entry's value. If it has an invisible character, this is the remedy."""
        value = self.value(name)
        # A display name before <address> may have such characters, as some emoji do.
        if isinstance(value, str) and has_invisible(value.rpartition("<")[2]):
            remedy = _INVISIBLE_CHARACTER
        self.report(name, code, remedy)

    def warn(self, name: str, code: str, remedy: str) -> None:
        """Add a warning about the entry."""
        self._warnings.add(Problem(code, remedy, entry=self.words.place_of(name)))

    def add(self, part: "Entries", place: str = "") -> None:
        """Add the problems and warnings of a part, except for entries that already have a problem here."""

        def placed(problem: Problem) -> Problem:
            return replace(problem, entry=".".join(filter(None, (place, problem.entry))))

        reported = {problem.entry for problem in self._problems}
        self._problems |= {each for each in map(placed, part._problems) if each.entry not in reported}
        self._warnings |= set(map(placed, part._warnings))

    def require(self, name: str, remedy: str) -> bool:
        """Tell whether the entry has a value; report the entry if it is missing or empty."""
        if self.is_given(name):
            return True
        self.report(name, "entry-missing", remedy)
        return False

    def is_given(self, name: str) -> bool:
        """Tell whether the entry exists and is not an empty string."""
        return name in self and self.value(name) != ""

    def text(self, name: str, *, missing: str = "") -> str | None:
        """Return the entry's trimmed text; a blank text is a problem."""
        value = self.credential(name, missing=missing)
        if value is None:
            return None
        if without_invisible(text := value.strip()):
            return text
        self.report(name, "entry-blank", "Give it a value, or remove the entry.")
        return None

    def matched(self, name: str, pattern: re.Pattern[str], code: str, remedy: str, *, missing: str = "") -> str | None:
        """Return the entry's text if the pattern matches it."""
        text = self.text(name, missing=missing)
        if text is None or pattern.match(text):
            return text
        self.refuse(name, code, remedy)
        return None

    def credential(self, name: str, *, missing: str = "") -> str | None:
        """Return the entry's text exactly as typed."""
        return self._string(name, _CONTROL, missing)

    def secret(self, name: str, *, missing: str = "") -> SecretStr | None:
        """Return the entry's text exactly as typed; an empty text counts as absent."""
        value = self.credential(name, missing=missing)
        return SecretStr(value) if value else None

    def pem(self, name: str) -> str | None:
        """Return the entry's text with its line breaks."""
        return self._string(name, _CONTROL_IN_PEM)

    def boolean(self, name: str) -> bool | None:
        """Return a boolean. The entry is the text `true` or `false`, in upper or lower case, or a JSON boolean."""
        value = self._scalar(name)
        if value is None or isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
        self.refuse(name, "boolean-malformed", "Write true or false, or remove the entry.")
        return None

    def port(self, name: str, *, missing: str = "") -> int | None:
        """Return an integer of one to five digits. The entry is canonical decimal text or a JSON number."""
        remedy = "Write a whole number in plain digits, such as 587."
        text = self._number(name, _WHOLE_NUMBER, (1, 99_999), "number-malformed", remedy, missing)
        return None if text is None else int(text)

    def whole_number(
        self, name: str, *, minimum: int, maximum: int, code: str = "number-out-of-bounds", missing: str = ""
    ) -> int | None:
        """Return an integer within the bounds. The entry is canonical decimal text or a JSON number."""
        remedy = f"Write a whole number between {minimum} and {maximum}."
        text = self._number(name, _WHOLE_NUMBER, (minimum, maximum), code, remedy, missing)
        return None if text is None else int(text)

    def seconds(self, name: str, *, minimum: float, maximum: float) -> float | None:
        """Return seconds within the bounds. The entry is decimal text or a JSON number."""
        remedy = f"Write seconds between {minimum:g} and {maximum:g}, such as 10."
        text = self._number(name, _SECONDS, (minimum, maximum), "timeout-out-of-bounds", remedy)
        return None if text is None else float(text)

    def choice[Choice: StrEnum](self, name: str, choices: type[Choice], *, missing: str = "") -> Choice | None:
        """Return the member of the enum with the entry's value; upper and lower case mean the same."""
        value = self._scalar(name, missing)
        found = next((choice for choice in choices if choice.value == value), None)
        if value is not None and found is None:
            self.refuse(name, "choice-unknown", f"Write {' or '.join(choices)}, or remove the entry.")
        return found

    def parsed[Value](
        self, name: str, parse: Callable[[str], Value], *, missing: str = "", is_blank_allowed: bool = False
    ) -> Value | None:
        """Return the parsed entry. A blank entry is a problem, or counts as absent. `parse` raises `InvalidText`."""
        text = self.credential(name) if is_blank_allowed else self.text(name, missing=missing)
        if text is None or not without_invisible(text).strip():
            return None
        try:
            return parse(text.strip())
        except InvalidText as invalid:
            self.refuse(name, invalid.code, invalid.detail)
            return None

    def addresses(self, name: str) -> tuple[Address, ...]:
        """Return the addresses of a comma-separated list or a JSON list. Of duplicates, the first spelling is kept."""
        value = self.value(name) if name in self else ""
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            self.report(name, "entry-type", "Write the addresses as one text, separated by commas.")
            return ()
        addresses: dict[str, Address] = {}
        faults: dict[tuple[str, str], list[int]] = {}
        for position, item in enumerate(items, start=1):
            parsed = _listed_address(item)
            if isinstance(parsed, Address):
                addresses.setdefault(str(parsed).lower(), parsed)
            elif parsed is not None:
                faults.setdefault(parsed, []).append(position)
        for (code, remedy), positions in faults.items():
            self.refuse(name, code, f"{_places(positions)}: {remedy}")
        return tuple(addresses.values())

    def _number(
        self, name: str, form: re.Pattern[str], bounds: tuple[float, float], code: str, remedy: str, missing: str = ""
    ) -> str | None:
        value = self._scalar(name, missing)
        # Infinity and booleans become texts that do not match.
        if value is None or (form.match(str(value)) and bounds[0] <= float(str(value)) <= bounds[1]):
            return None if value is None else str(value)
        self.refuse(name, code, remedy)
        return None

    def _scalar(self, name: str, missing: str = "") -> object:
        """Return the value; a text is trimmed and in lower case. None if the entry is absent or has a problem."""
        if not (self.require(name, missing) if missing else name in self):
            return None
        value = self.value(name)
        if isinstance(value, str):
            if _CONTROL.search(value):
                self.report(name, "control-character", _CONTROL_CHARACTER)
                return None
            return value.strip().lower() if value.isascii() else ""
        if value is None:
            self.report(name, "entry-type", "Give it a value, or remove the entry.")
        return value

    def _string(self, name: str, forbidden: re.Pattern[str], missing: str = "") -> str | None:
        if not (self.require(name, missing) if missing else name in self):
            return None
        value = self.value(name)
        if not isinstance(value, str):
            self.report(name, "entry-type", "Write the value as text: in JSON, put it in double quotes.")
            return None
        if forbidden.search(value):
            self.report(name, "control-character", _CONTROL_CHARACTER)
            return None
        return value


def _listed_address(item: object) -> Address | tuple[str, str] | None:
    if not isinstance(item, str):
        return "entry-type", "Write each address as text."
    if _CONTROL.search(item):
        return "control-character", "Remove line breaks and tabs; separate addresses with commas."
    text = item.strip()
    if not text:
        return None
    if text.startswith(("*", "@")) or "@" not in text:
        return "sender-not-an-address", "Write each address in full; wildcards and whole domains are not supported."
    try:
        return parse_address(text)
    except InvalidAddress as invalid:
        return invalid.code, f"{invalid.detail} Separate addresses with commas and leave names out."


def _places(positions: list[int]) -> str:
    listed = ", ".join(str(position) for position in positions[:_MAX_POSITIONS])
    more = len(positions) - _MAX_POSITIONS
    return f"Item {listed}" + (f" and {more} more" if more > 0 else "")


def _sorted(problems: set[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.entry or "", problem.code, problem.detail)))
