"""Properties of every secret."""

import base64
import json
import random
import time
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.relay.secret_str import SecretStr
from mailer.secret.entry_table import KNOWN
from mailer.secret.parser import (
    Activates,
    ActivatesNothing,
    Malformed,
    ParsedSecret,
    parse_entries,
    parse_secret,
)
from mailer.secret.spelling import skeleton
from mailer.secret.view import describe_entries

from tests.core.secret_texts import POLICY, VALID, secret

NAMES = sorted(KNOWN)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
PLAUSIBLE = st.sampled_from(
    [
        "", " ", "587", "465", "0", "true", "false", "none", "oauth2", "gmail", "ses-eu-west-1", "smtp.example.com",
        "localhost", "10.0.0.1", "a@b.example", "A <a@b.example>", "*", "a@b.example,*",
        "https://login.example.com/token", "http://login.example.com", "https://10.0.0.1/", "https://a:b@login.example.com",
        "-----BEGIN CERTIFICATE-----", "5", "reject",
    ]
)  # fmt: skip
ENTRIES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=20), PLAUSIBLE | JSON, max_size=len(NAMES))
HOST_LETTERS = ("sS\u0455\uff53", "mM\u043c", "tT\u0442", "pP\u0440", "hH\u041d", "oO0\u043e", "sS\ua731", "tT\u03c4")
SEPARATORS = st.sampled_from(["", "", " ", "_", "-", ".", "\u200b", "\u00a0"])
HOST_LOOKALIKES = st.tuples(*(st.tuples(st.sampled_from(letters), SEPARATORS) for letters in HOST_LETTERS)).map(
    lambda pairs: "".join(letter + separator for letter, separator in pairs)
)
SECRET_NAMES = (
    "smtpPassword", "smtpOauthClientSecret", "smtpOauthRefreshToken", "emailProviders", "smtpCaCertificate",
)  # fmt: skip
OPEN_POLICY = RelayPolicy(ports=((1, 65535),), networks=(parse_network("10.0.0.0/8"),))


def problems_of(result: ParsedSecret) -> tuple[Problem, ...]:
    return result.problems if isinstance(result, Malformed) else result.warnings


def is_sound(result: ParsedSecret) -> bool:
    """Tell whether the problems are sorted and have remedies. An invalid secret must have at least one problem."""
    problems = problems_of(result)
    keys = [(problem.entry or "", problem.code) for problem in problems]
    return (
        (not isinstance(result, Malformed) or bool(problems))
        and keys == sorted(keys)
        and all(problem.detail and problem.code and problem.pointer is None for problem in problems)
    )


@given(st.text())
@example('{"smtpHost": "\\ud800"}')
@example("[" * 70_000)
@settings(max_examples=200)
def test_any_text_has_a_result(text: str) -> None:
    assert is_sound(parse_secret(text, POLICY))


@given(ENTRIES)
@settings(max_examples=200)
def test_any_object_has_the_same_result_twice(entries: dict[str, object]) -> None:
    text = json.dumps(entries)

    result = parse_secret(text, OPEN_POLICY)

    assert is_sound(result)
    assert result == parse_secret(text, OPEN_POLICY)


@given(ENTRIES)
@settings(max_examples=200)
def test_entries_from_the_api_are_read_like_a_secret(entries: dict[str, object]) -> None:
    assert parse_entries(entries, POLICY) == parse_secret(json.dumps(entries), POLICY)


@pytest.mark.parametrize("value", [{"a": object()}, {"a": {1, 2}}, {"a": 10**5000}, {"a": float("nan")}])
def test_entries_that_cannot_be_json_are_invalid(value: dict[str, object]) -> None:
    result = parse_entries(value, POLICY)

    assert isinstance(result, Malformed)
    assert [problem.code for problem in result.problems] == ["secret-not-json"]


@given(ENTRIES, PLAUSIBLE | JSON)
@settings(max_examples=200)
def test_a_secret_with_a_host_never_uses_the_server_transport(entries: dict[str, object], value: object) -> None:
    entries.setdefault("smtpHost", value)

    assert not isinstance(parse_secret(json.dumps(entries), POLICY), ActivatesNothing)


@given(HOST_LOOKALIKES, JSON)
@settings(max_examples=200)
def test_a_name_like_the_host_never_uses_the_server_transport(name: str, value: object) -> None:
    assert isinstance(parse_secret(json.dumps({name: value}), POLICY), Malformed)


@given(st.text(), JSON)
@settings(max_examples=200)
def test_a_name_unlike_the_activating_entries_activates_nothing(name: str, value: object) -> None:
    activating = skeleton(name) in ("smtphost", "smtpservice", "emailproviders")

    assert isinstance(parse_secret(json.dumps({name: value}), POLICY), ActivatesNothing) is not activating


@given(st.sampled_from(sorted(VALID)), JSON | PLAUSIBLE)
@settings(max_examples=200)
def test_changing_one_entry_never_deactivates_a_secret(name: str, value: object) -> None:
    assert not isinstance(parse_secret(secret(**{name: value}), POLICY), ActivatesNothing)


@pytest.mark.parametrize("name", sorted(VALID))
def test_removing_any_entry_but_the_host_makes_a_secret_invalid(name: str) -> None:
    text = json.dumps({key: value for key, value in VALID.items() if key != name})

    assert isinstance(parse_secret(text, POLICY), ActivatesNothing if name == "smtpHost" else Malformed)


@given(st.binary(max_size=200))
def test_any_octets_have_a_result(octets: bytes) -> None:
    assert is_sound(parse_secret(octets.decode("latin-1"), POLICY))


CANARY = "c4n4ry-Zq9!Kd"


def mentions_the_canary(text: str) -> bool:
    raw = CANARY.encode()
    forms = (CANARY, CANARY[:8], base64.b64encode(raw).decode(), quote(CANARY), raw.hex())
    return any(form in text for form in forms)


@given(st.dictionaries(st.sampled_from(NAMES), PLAUSIBLE, max_size=len(NAMES)), st.sampled_from(NAMES), st.data())
@settings(max_examples=200)
def test_no_value_appears_in_any_problem_or_warning(entries: dict[str, object], name: str, data: st.DataObject) -> None:
    decoy = data.draw(
        st.sampled_from([CANARY, f"{CANARY}@b.example", f"{CANARY}.example.com", [CANARY], f"\x00{CANARY}"])
    )
    text = json.dumps({"smtpHost": "smtp.example.com", **entries, name: decoy})

    assert not mentions_the_canary(repr(problems_of(parse_secret(text, POLICY))))


@pytest.mark.parametrize("text", [f'{{"smtpPassword": "{CANARY}"', f'"{CANARY}"', f'{{"a": {CANARY}}}', CANARY])
def test_no_value_appears_if_the_text_is_not_json(text: str) -> None:
    assert not mentions_the_canary(repr(parse_secret(text, POLICY)))


def test_a_configuration_shows_no_password() -> None:
    assert not mentions_the_canary(repr(parse_secret(secret(smtpPassword=CANARY), POLICY)))


@given(st.dictionaries(st.sampled_from(NAMES), PLAUSIBLE | JSON, max_size=len(NAMES)))
@settings(max_examples=200)
def test_a_description_is_json_and_shows_no_secret(entries: dict[str, object]) -> None:
    hidden = dict.fromkeys(SECRET_NAMES, CANARY)

    description = describe_entries(json.dumps(entries | hidden))

    assert description is not None
    assert not mentions_the_canary(json.dumps(description, allow_nan=False).encode().decode("ascii"))
    assert set(description) == set(entries) | set(hidden)


def random_entries(generator: random.Random) -> dict[str, object]:
    values: list[object] = [
        "", " ", None, True, False, 0, 25, 465, 587, "587", "smtp.example.com", "x", "a@b.example", [], {}, 1.5,
        "none", "gmail", "*", "true", "\x00", "a" * 300, "10.0.0.1", SecretStr,
    ]  # fmt: skip
    entries = dict(VALID) if generator.random() < 0.7 else {}
    for name in generator.sample(NAMES, generator.randrange(len(NAMES))):
        value = generator.choice(values)
        if value is SecretStr:
            entries.pop(name, None)
        else:
            entries[name] = value
    return entries


def test_a_thousand_random_secrets_take_less_than_ten_milliseconds_each() -> None:
    generator = random.Random(20)
    texts = [json.dumps(random_entries(generator)) for _ in range(1000)]

    start = time.perf_counter()
    results = [parse_secret(text, POLICY) for text in texts]

    assert (time.perf_counter() - start) / len(texts) < 0.01
    assert any(isinstance(result, Activates) for result in results)


@pytest.mark.parametrize(
    "name",
    ["a" + "\u0315\u0300" * 15_000, "\ufdfa" * 20_000, "smtp" + "\u200b" * 20_000, "\U0001d42c" * 15_000],
    ids=["marks", "ligatures", "zero width", "mathematical"],
)
def test_a_very_long_name_is_read_in_time(name: str) -> None:
    text = json.dumps({name: ""}, ensure_ascii=False)

    start = time.perf_counter()
    result = parse_secret(text, POLICY)

    assert time.perf_counter() - start < 0.2
    assert is_sound(result)


def test_a_secret_full_of_unknown_entries_is_read_in_time() -> None:
    text = json.dumps({f"smtp{number}": "" for number in range(4000)})

    start = time.perf_counter()
    result = parse_secret(text, POLICY)

    assert time.perf_counter() - start < 2
    assert len(problems_of(result)) == 50
