"""One thing that is wrong with an input: where, which rule, and what to do about it."""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, named by its place and never by its value.

    `entry` is a name in the project's secret, `pointer` a JSON pointer (RFC 6901) into a request body, `parameter` a
    query parameter; one of them is set. `code` is kebab-case and stable; `detail` states the remedy.
    """

    code: str
    detail: str
    entry: str | None = None
    pointer: str | None = None
    parameter: str | None = None
