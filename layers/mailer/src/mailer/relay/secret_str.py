"""A wrapper that keeps a secret out of reprs, log lines, tracebacks and serialised data."""

from typing import NoReturn


class SecretStr:
    """A secret; only `reveal` returns its text.

    Equal secrets compare equal. Pickling raises `TypeError`.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self.__value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and other.reveal() == self.__value

    def __hash__(self) -> int:
        return hash((SecretStr, self.__value))

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __repr__(self) -> str:
        return "SecretStr('***')"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        msg = "a secret is not serialised"
        raise TypeError(msg)
