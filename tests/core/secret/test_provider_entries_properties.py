"""Any list of providers is a chain or has problems, and shows no value."""

import json
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.relay.provider import Provider
from mailer.secret.parser import Activates, Malformed, parse_secret
from mailer.secret.view import describe_entries

from tests.core.provider_texts import CONFIGS, item, only_provider, secret
from tests.core.secret_texts import POLICY, VALID

KINDS = sorted(CONFIGS)
LOCAL = RelayPolicy(ports=((8443, 8443),), https_networks=(parse_network("127.0.0.0/8"),))
REQUIRED = [
    ("smtp", "host"),
    ("smtp", "port"),
    ("ses", "accessKeyId"),
    ("ses", "secretAccessKey"),
    ("ses", "region"),
    ("sendgrid", "apiKey"),
    ("mailgun", "apiKey"),
    ("mailgun", "domain"),
]


def without(config: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in config.items() if key != name}


# -- any list --------------------------------------------------------------------------------------------------------

CANARY = "c4n4ry-Zq9!Kd"
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["", "1", "true", "smtp"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
LEAVES = st.sampled_from(
    ["host", "port", "secure", "requireTLS", "auth", "tls", "apiKey", "domain", "region", "baseUrl", "caCertificate",
     "accessKeyId", "secretAccessKey", "connectionTimeout", "foo", "auth.user"]
)  # fmt: skip
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON | st.sampled_from(["a", "b"]),
        "provider": JSON | st.sampled_from(KINDS),
        "name": JSON,
        "enabled": JSON,
        "priority": JSON | st.just(1),
        "config": JSON | st.sampled_from(list(CONFIGS.values())) | st.dictionaries(LEAVES, JSON, max_size=4),
    },
)


@given(st.lists(ITEMS | JSON, max_size=3) | JSON)
@settings(max_examples=150)
def test_any_list_is_a_chain_or_has_problems(value: object) -> None:
    text = json.dumps({**VALID, "emailProviders": value})

    result = parse_secret(text, POLICY)

    assert isinstance(result, Activates | Malformed)
    if isinstance(result, Malformed):
        assert all(str(problem.entry).startswith("emailProviders") for problem in result.problems)
    json.dumps(describe_entries(text))


@given(
    st.sampled_from(KINDS),
    st.sampled_from([CANARY, f"{CANARY}@b.example", f"https://{CANARY}/", f"\x00{CANARY}", [CANARY], {CANARY: 1}]),
    st.data(),
)
@settings(max_examples=150)
def test_no_value_appears_in_any_problem(kind: str, decoy: object, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["id", "name", "provider", "priority", "enabled", "createdAt", *CONFIGS[kind]]))
    changed = item(kind, {**CONFIGS[kind], name: decoy}) if name in CONFIGS[kind] else {**item(kind), name: decoy}
    if isinstance(decoy, dict) and name == "auth":
        return  # the name of a member is not a value

    result = parse_secret(secret(changed), POLICY)

    assert isinstance(result, Activates | Malformed)
    assert CANARY not in repr(result.problems if isinstance(result, Malformed) else result.warnings)


def test_a_provider_shows_no_secret() -> None:
    providers: list[Provider] = [only_provider(kind) for kind in KINDS]

    assert all(word not in repr(providers) for word in ("correct", "wJalr"))
