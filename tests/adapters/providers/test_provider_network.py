"""Connections to providers' APIs: vetted addresses, verified certificates, warm connections of one owner."""

import logging
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from copy import replace
from ipaddress import ip_network

import pytest
from mailer.adapters.net.dial import AddressInfo
from mailer.adapters.net.elapsed import Clocks
from mailer.relay.policy import RelayPolicy
from mailer.relay.secret_str import SecretStr
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.smtp.outcome import Accepted, Cause, Phase, RelayError, RelayFault, Verdict

from tests.fakes import FakeClock
from tests.support import canaries
from tests.support.certificates import authority, self_signed, unknown_authority
from tests.support.fake_sendgrid import HOST, FakeSendgrid
from tests.support.http_service import Answer, HttpService
from tests.support.provider_setup import (
    DRAFT,
    LOOPBACK,
    api_message,
    provider_apis,
    send,
    sendgrid_account,
    verdict,
)


def account_at(service: HttpService) -> SendgridAccount:
    return SendgridAccount(SecretStr(canaries.API_KEY), f"https://{HOST}:{service.port}", authority().pem)


def resolve_to(*addresses: str) -> "FakeResolver":
    return FakeResolver(addresses)


class FakeResolver:
    """Resolves to these addresses, and records the queries."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._addresses = addresses

    def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.asked.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in self._addresses]


# -- where a connection may lead --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1"])
def test_an_api_host_with_an_internal_address_is_blocked(address: str) -> None:
    policy = RelayPolicy(ports=LOOPBACK.ports, networks=(ip_network("0.0.0.0/0"),))
    with (
        FakeSendgrid() as fake,
        provider_apis(policy=policy, resolver=resolve_to("192.0.2.1", address)) as apis,
    ):
        blocked = verdict(send(apis, sendgrid_account(fake)))

        assert fake.connections == 0
    assert isinstance(blocked, RelayError)
    assert (blocked.fault, blocked.failure.cause) == (RelayFault.HOST_BLOCKED, Cause.HOST_BLOCKED)


def test_a_host_is_resolved_once_for_a_connection() -> None:
    resolver = resolve_to("127.0.0.1")
    with FakeSendgrid() as fake, provider_apis(resolver=resolver) as apis:
        send(apis, sendgrid_account(fake))
        send(apis, sendgrid_account(fake))

        assert resolver.asked == [(HOST, fake.port)]


def test_a_port_that_the_operator_does_not_allow_is_blocked() -> None:
    with FakeSendgrid() as fake, provider_apis(policy=replace(LOOPBACK, ports=((587, 587),))) as apis:
        blocked = verdict(send(apis, sendgrid_account(fake)))

        assert fake.connections == 0
    assert isinstance(blocked, RelayError)
    assert blocked.fault is RelayFault.HOST_BLOCKED


def test_port_443_is_always_allowed() -> None:
    resolver = resolve_to("127.0.0.1")
    with FakeSendgrid() as fake, provider_apis(policy=RelayPolicy(), resolver=resolver) as apis:
        send(apis, replace(sendgrid_account(fake), base_url=f"https://{HOST}"))

    assert resolver.asked == [(HOST, 443)]


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with FakeSendgrid() as fake, provider_apis() as apis:
        assert isinstance(verdict(send(apis, sendgrid_account(fake))), Accepted)


def test_a_redirect_is_not_followed() -> None:
    with (
        FakeSendgrid() as elsewhere,
        FakeSendgrid(behaviour=Answer(307, b"", {"Location": f"{elsewhere.base_url}/v3/mail/send"})) as fake,
        provider_apis() as apis,
    ):
        send(apis, sendgrid_account(fake))

        assert (len(fake.requests), elsewhere.connections) == (1, 0)


def test_cookies_are_not_kept() -> None:
    behaviour = Answer(202, b"", {"Set-Cookie": "a=b; Path=/"})
    with FakeSendgrid(behaviour=behaviour) as fake, provider_apis() as apis:
        send(apis, sendgrid_account(fake))
        send(apis, sendgrid_account(fake))

        assert all("cookie" not in request.headers for request in fake.requests)


def test_requests_are_never_sent_in_clear() -> None:
    with HttpService(lambda _: Answer(202)) as fake, provider_apis() as apis:
        account = replace(account_at(fake), base_url=f"http://{HOST}:{fake.port}")
        with pytest.raises(ValueError, match="https"):
            send(apis, account)

        assert fake.connections == 0


# -- certificates -----------------------------------------------------------------------------------------------------


def certificate_verdict(context: ssl.SSLContext) -> Verdict:
    with HttpService(lambda _: Answer(202), context=context) as fake, provider_apis() as apis:
        judged = verdict(send(apis, account_at(fake)))

        assert fake.requests == []
    return judged


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (authority().valid("other.example"), Cause.CERTIFICATE_HOST_MISMATCH),
        (authority().expired(HOST), Cause.CERTIFICATE_EXPIRED),
        (unknown_authority().valid(HOST), Cause.CERTIFICATE_UNTRUSTED),
        (self_signed(HOST), Cause.CERTIFICATE_UNTRUSTED),
    ],
)
def test_DU14_an_invalid_certificate_ends_the_attempt_before_the_key_is_sent(
    context: ssl.SSLContext, cause: Cause
) -> None:
    judged = certificate_verdict(context)

    assert isinstance(judged, RelayError)
    assert (judged.fault, judged.failure.phase, judged.failure.cause) == (RelayFault.TLS_FAILED, Phase.TLS, cause)


def test_a_private_authority_is_trusted_only_for_the_account_that_names_it() -> None:
    with FakeSendgrid() as fake, provider_apis() as apis:
        judged = verdict(send(apis, replace(sendgrid_account(fake), ca_certificate=None)))

    assert isinstance(judged, RelayError)
    assert judged.failure.cause is Cause.CERTIFICATE_UNTRUSTED


def test_tls_before_1_2_is_refused() -> None:
    context = authority().valid(HOST)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    assert isinstance(certificate_verdict(context), RelayError)


def test_a_service_without_tls_has_its_own_cause() -> None:
    answer = Answer(400, b"plain")
    with HttpService(lambda _: answer, on_connect=lambda _: answer) as fake, provider_apis() as apis:
        judged = verdict(send(apis, account_at(fake)))

    assert isinstance(judged, RelayError)
    assert (judged.failure.phase, judged.failure.cause) == (Phase.TLS, Cause.TLS_MISMATCH)


# -- warm connections -------------------------------------------------------------------------------------------------


def test_a_second_message_uses_the_same_connection() -> None:
    with FakeSendgrid() as fake, provider_apis() as apis:
        send(apis, sendgrid_account(fake))
        send(apis, sendgrid_account(fake))

        assert (len(fake.requests), fake.connections) == (2, 1)


@pytest.mark.parametrize(("idle", "connections"), [(5.0, 1), (5.1, 2)])
def test_a_connection_idle_for_more_than_five_seconds_on_either_clock_is_not_used(
    idle: float, connections: int
) -> None:
    clock = FakeClock()
    clocks = Clocks(FakeClock(), clock)
    with FakeSendgrid() as fake, provider_apis(clocks=clocks) as apis:
        send(apis, sendgrid_account(fake))
        clock.advance(idle)
        send(apis, sendgrid_account(fake))

        assert fake.connections == connections


def test_a_connection_that_the_provider_closed_is_replaced() -> None:
    with FakeSendgrid(behaviour=Answer(202, b"", keep_alive=False, headers={"Connection": "keep-alive"})) as fake:
        with provider_apis() as apis:
            send(apis, sendgrid_account(fake))
            fake.await_end_of_a_connection()
            judged = verdict(send(apis, sendgrid_account(fake)))

        assert (len(fake.requests), fake.connections) == (2, 2)
    assert isinstance(judged, Accepted)


def test_another_version_of_the_secret_uses_another_connection() -> None:
    with FakeSendgrid() as fake, provider_apis() as apis:
        send(apis, sendgrid_account(fake), version_id="v1")
        send(apis, sendgrid_account(fake), version_id="v2")

        assert fake.connections == 2


def test_another_authority_uses_another_connection() -> None:
    both = authority().pem + unknown_authority().pem
    with FakeSendgrid() as fake, provider_apis() as apis:
        send(apis, sendgrid_account(fake))
        send(apis, replace(sendgrid_account(fake), ca_certificate=both))

        assert fake.connections == 2


def test_the_number_of_owners_with_connections_is_limited() -> None:
    with FakeSendgrid() as fake, provider_apis() as apis:
        for number in range(17):
            send(apis, sendgrid_account(fake), version_id=f"v{number}")
        send(apis, sendgrid_account(fake), version_id="v0")

        assert (len(fake.requests), fake.connections) == (18, 18)


# -- what is left in the log ------------------------------------------------------------------------------------------


def test_debug_logging_shows_neither_the_key_nor_the_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), FakeSendgrid() as fake, provider_apis() as apis:
        send(apis, sendgrid_account(fake), api_message(replace(DRAFT, text=canaries.BODY)))

    assert canaries.API_KEY not in caplog.text
    assert canaries.BODY not in caplog.text


def test_no_http_or_aws_library_is_loaded_before_the_first_message() -> None:
    program = (
        "import sys; from mailer.adapters.providers import ProviderApis; from mailer.relay.policy import RelayPolicy; "
        "ProviderApis(policy=RelayPolicy()); print([name for name in ('httpcore', 'h11', 'anyio', 'botocore') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 -- the test's own program

    assert done.stdout.strip() == "[]"
