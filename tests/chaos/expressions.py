"""DynamoDB's expressions: conditions, key conditions and updates, as far as DynamoDB's documentation describes them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

type Attribute = Mapping[str, str]
type Attributes = Mapping[str, Attribute]
type Operand = Callable[["Context"], Attribute | None]
type Condition = Callable[["Context"], bool]
type Change = Callable[["Context"], Mapping[str, Attribute | None]]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>+\-(),]|[A-Za-z_][A-Za-z0-9_]*|[:#][A-Za-z0-9_]+)")
_COMPARISONS: Mapping[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    "<>": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


class Malformed(Exception):
    """The expression is malformed, or it uses a name or a value that is not given."""


@dataclass(frozen=True)
class Context:
    """The item before the write, and the names and values of the expression."""

    item: Attributes
    values: Attributes
    names: Mapping[str, str]

    def name(self, token: str) -> str:
        """Return the attribute that a token of an expression names."""
        return self.names[token] if token.startswith("#") else token


def sort_value(attribute: Attribute) -> tuple[str, Decimal | str]:
    """Return a value that sorts as DynamoDB sorts the attribute."""
    ((kind, text),) = attribute.items()
    return kind, Decimal(text) if kind == "N" else text


@cache
def condition(text: str) -> Condition:
    """Parse a condition."""
    parser = _Parser(text)
    parsed = parser.either()
    parser.finish()
    return parsed


@cache
def update(text: str) -> Change:
    """Parse an update; the result maps each changed attribute to its new value, or to None if it is removed."""
    parser = _Parser(text)
    changes: list[Change] = []
    while not parser.is_empty:
        changes += parser.clause()
    return lambda context: {name: value for change in changes for name, value in change(context).items()}


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            matched = _TOKEN.match(text, position)
            if matched is None:
                raise Malformed(text)
            self._tokens.append(matched[1])
            position = matched.end()
        self._text = text
        self._next = 0

    @property
    def is_empty(self) -> bool:
        return self._next == len(self._tokens)

    def finish(self) -> None:
        if not self.is_empty:
            raise Malformed(self._text)

    def either(self) -> Condition:
        left = self._both()
        while self._accept("OR"):
            left = _either(left, self._both())
        return left

    def clause(self) -> list[Change]:
        """Parse one clause of an update."""
        kind = self._take().upper()
        parse = {"SET": self._set, "ADD": self._add, "REMOVE": self._remove}.get(kind)
        if parse is None:
            raise Malformed(self._text)
        changes = [parse()]
        while self._accept(","):
            changes.append(parse())
        return changes

    def _both(self) -> Condition:
        left = self._not()
        while self._accept("AND"):
            left = _both(left, self._not())
        return left

    def _not(self) -> Condition:
        if self._accept("NOT"):
            inner = self._not()
            return lambda context: not inner(context)
        if self._accept("("):
            parsed = self.either()
            self._expect(")")
            return parsed
        return self._comparison()

    def _comparison(self) -> Condition:
        function = self._peek().lower()
        if function in ("attribute_exists", "attribute_not_exists"):
            name, is_expected = self._arguments()[0], function == "attribute_exists"
            return lambda context: (context.name(name) in context.item) is is_expected
        if function == "begins_with":
            operand, prefix = map(_operand, self._arguments())
            return lambda context: _begins_with(operand(context), prefix(context))
        left = self._operand()
        relation = self._take()
        if relation.upper() == "BETWEEN":
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            return lambda context: (
                _compare(left(context), low(context), ">=") and _compare(left(context), high(context), "<=")
            )
        if relation not in _COMPARISONS:
            raise Malformed(self._text)
        right = self._operand()
        return lambda context: _compare(left(context), right(context), relation)

    def _set(self) -> Change:
        name = self._take()
        self._expect("=")
        value = self._operand()
        while (sign := self._peek()) in ("+", "-"):
            self._take()
            value = _sum(value, self._operand(), 1 if sign == "+" else -1)
        return lambda context: {context.name(name): value(context)}

    def _add(self) -> Change:
        name = self._take()
        added = _sum(_operand(name), self._operand(), 1)
        return lambda context: {context.name(name): added(context)}

    def _remove(self) -> Change:
        name = self._take()
        return lambda context: {context.name(name): None}

    def _operand(self) -> Operand:
        if self._peek().lower() == "if_not_exists":
            first, second = map(_operand, self._arguments())
            return lambda context: first(context) or second(context)
        return _operand(self._take())

    def _arguments(self) -> list[str]:
        self._take()
        self._expect("(")
        arguments = [self._take()]
        while self._accept(","):
            arguments.append(self._take())
        self._expect(")")
        return arguments

    def _peek(self) -> str:
        return "" if self.is_empty else self._tokens[self._next]

    def _take(self) -> str:
        if self.is_empty:
            raise Malformed(self._text)
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, token: str) -> bool:
        is_there = self._peek().upper() == token
        self._next += is_there
        return is_there

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise Malformed(self._text)


def _either(left: Condition, right: Condition) -> Condition:
    return lambda context: left(context) or right(context)


def _both(left: Condition, right: Condition) -> Condition:
    return lambda context: left(context) and right(context)


def _operand(token: str) -> Operand:
    if token.startswith(":"):
        return lambda context: _given(context, token)
    return lambda context: context.item.get(context.name(token))


def _given(context: Context, token: str) -> Attribute:
    if token not in context.values:
        raise Malformed(token)
    return context.values[token]


def _compare(left: Attribute | None, right: Attribute | None, relation: str) -> bool:
    if left is None or right is None:
        return relation == "<>"
    one, other = sort_value(left), sort_value(right)
    if one[0] != other[0]:
        return relation == "<>"
    return _COMPARISONS[relation]((one > other) - (one < other))


def _begins_with(value: Attribute | None, prefix: Attribute | None) -> bool:
    return value is not None and prefix is not None and value.get("S", "").startswith(prefix["S"])


def _sum(left: Operand, right: Operand, sign: int) -> Operand:
    def add(context: Context) -> Attribute:
        one, other = left(context) or {"N": "0"}, right(context) or {"N": "0"}
        return {"N": str(Decimal(one["N"]) + sign * Decimal(other["N"]))}

    return add
