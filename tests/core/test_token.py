"""The claims of a verified token: what they mean, and which claims are refused."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.project import ProjectId
from mailer.token import Principal, Refusal, TokenRefused, parse_claims

ISSUER, AUDIENCE, NOW = "https://issuer.example", "mailer", 1_800_000_000.0
CLAIMS: Mapping[str, object] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "exp": NOW + 60,
    "sub": "user-1",
    "project_id": "acme",
    "scope": "email:send email:read",
}


def parse(**changes: object) -> Principal:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    return parse_claims(claims, issuer=ISSUER, audience=AUDIENCE, now=NOW)


def refusal(**changes: object) -> Refusal:
    with pytest.raises(TokenRefused) as refused:
        parse(**changes)
    return refused.value.refusal


def test_a_valid_token_has_project_scopes_and_subject() -> None:
    assert parse() == Principal(ProjectId("acme"), frozenset({"email:send", "email:read"}), "user-1")


def test_au11_a_token_may_name_a_role() -> None:
    assert (parse(role="support.eu:2").role, parse().role) == ("support.eu:2", None)


@pytest.mark.parametrize("claim", ["", "a b", "x" * 65, "rôle", "role\n", 7, ["marketing"], {"name": "a"}, True])
def test_au11_a_malformed_role_is_refused(claim: object) -> None:
    assert refusal(role=claim) is Refusal.CLAIMS


def test_the_project_star_means_every_project() -> None:
    assert parse(project_id="*").project_id is None


@pytest.mark.parametrize(
    "claim",
    [
        ...,
        None,
        "",
        ["acme"],
        ["acme", "other"],
        "acme other",
        "acme*",
        "**",
        "../acme",
        "acme\n",
        7,
        True,
        {},
        "a" * 65,
    ],
)
def test_au3_a_malformed_project_claim_is_refused(claim: object) -> None:
    assert refusal(project_id=claim) is Refusal.CLAIMS


def test_scopes_may_be_a_list() -> None:
    assert parse(scope=["email:send"]).scopes == {"email:send"}


@pytest.mark.parametrize("claim", [..., "", " ", []])
def test_au2_a_token_without_scope_allows_nothing(claim: object) -> None:
    assert parse(scope=claim).scopes == frozenset()


@pytest.mark.parametrize("claim", [None, 7, {"email:send": 1}, [7], "email:send\n", 'a"b', ["email send"], "x" * 101])
def test_malformed_scopes_are_refused(claim: object) -> None:
    assert refusal(scope=claim) is Refusal.CLAIMS


@pytest.mark.parametrize("use", ["id", "refresh", None, 7])
def test_au2_an_id_token_is_refused(use: object) -> None:
    assert refusal(token_use=use) is Refusal.NOT_AN_ACCESS_TOKEN


def test_a_token_with_the_use_access_is_accepted() -> None:
    assert parse(token_use="access").subject == "user-1"


@pytest.mark.parametrize("issuer", [..., None, ISSUER + "/", ISSUER.upper(), [ISSUER], "https://other.example"])
def test_au1_another_issuer_is_refused(issuer: object) -> None:
    assert refusal(iss=issuer) is Refusal.ISSUER


@pytest.mark.parametrize("audience", [..., None, "other", [], [AUDIENCE, "other"], {AUDIENCE: 1}, "mailer "])
def test_au1_another_audience_is_refused(audience: object) -> None:
    assert refusal(aud=audience) is Refusal.AUDIENCE


def test_the_audience_may_be_a_list_of_one() -> None:
    assert parse(aud=[AUDIENCE]).subject == "user-1"


def test_au1_a_token_is_refused_thirty_seconds_after_its_expiry() -> None:
    assert parse(exp=NOW - 29).subject == "user-1"
    assert refusal(exp=NOW - 30) is Refusal.EXPIRED


@pytest.mark.parametrize("expiry", [..., None, str(NOW + 60), True, float("nan"), float("inf"), -1, 10**400, [NOW]])
def test_au1_a_malformed_expiry_is_refused(expiry: object) -> None:
    assert refusal(exp=expiry) is Refusal.CLAIMS


def test_au1_a_token_is_refused_until_thirty_seconds_before_its_start() -> None:
    assert parse(nbf=NOW + 30).subject == "user-1"
    assert refusal(nbf=NOW + 31) is Refusal.NOT_YET_VALID


@pytest.mark.parametrize("subject", [7, None, "a b", "a\n", "x" * 256])
def test_a_malformed_subject_is_refused(subject: object) -> None:
    assert refusal(sub=subject) is Refusal.CLAIMS


def test_scopes_are_written_in_sorted_order() -> None:
    assert parse().scope_claim == "email:read email:send"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "token_use"]), _JSON))
def test_any_claims_give_a_principal_or_a_refusal(changes: dict[str, object]) -> None:
    try:
        principal = parse(**changes)
    except TokenRefused:
        return
    assert principal.project_claim == {**CLAIMS, **changes}["project_id"]
