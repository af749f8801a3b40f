"""A problem of an input: its place, its code and the remedy."""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """A problem of an input. It names the place of the wrong value, but never contains the value.

    `entry` is a name in the project's secret, `pointer` a JSON pointer (RFC 6901) into a request body, `parameter` a
    query parameter; one of them is set. `code` is kebab-case and stable; `detail` states the remedy.
    """

    code: str
    detail: str
    entry: str | None = None
    pointer: str | None = None
    parameter: str | None = None


class InvalidText(ValueError):
    """A parser refuses the text; `code` is stable, `detail` is the remedy and never contains the text."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
