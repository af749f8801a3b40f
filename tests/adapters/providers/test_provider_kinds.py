"""Each provider kind with an HTTP API has an adapter."""

import time

import pytest
from mailer.relay.provider import ApiAccount, ProviderKind
from mailer.smtp.outcome import Deferred, Failure

from tests.core.provider_texts import only_provider
from tests.support.provider_setup import provider_apis, send, verdict


@pytest.mark.parametrize("kind", [kind for kind in ProviderKind if kind is not ProviderKind.SMTP])
def test_each_kind_can_be_probed_and_sent_with(kind: ProviderKind) -> None:
    account = only_provider(kind).config
    assert isinstance(account, ApiAccount)

    with provider_apis() as apis:
        # No server listens, so an adapter that exists fails to connect.
        assert isinstance(apis.probe(account, deadline=time.monotonic() + 2.0), Failure)
        assert isinstance(verdict(send(apis, account, seconds=2.0)), Deferred)
