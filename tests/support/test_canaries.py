"""The scan for canaries finds each spelling."""

import base64
from urllib.parse import quote

import pytest

from tests.support import canaries

SECRETS = (canaries.PASSWORD, canaries.TOKEN, canaries.BODY, canaries.SUBJECT)


@pytest.mark.parametrize("index", range(len(SECRETS)))
def test_every_spelling_is_found(index: int) -> None:
    secret = SECRETS[index]
    plain = f"\0{canaries.USERNAME}\0{secret}"
    spellings = (
        secret,
        secret[:8],
        quote(secret),
        secret.encode().hex(),
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(plain.encode()).decode(),
    )

    assert [canaries.found_in(f'{{"level":"INFO","x":"{spelling}"}}') != [] for spelling in spellings] == [True] * 6


def test_a_finding_is_reported_without_the_secret() -> None:
    for found in canaries.found_in(canaries.PASSWORD):
        assert canaries.found_in(found) == []


def test_harmless_text_is_not_reported() -> None:
    assert canaries.found_in("canary-user sent 250 2.0.0 Ok to example.net") == []
