"""The certificate of a private CA."""

import ssl

import pytest
import trustme
from mailer.relay.ca_certificate import InvalidCertificate, parse_ca_certificate

from tests.core.secret_texts import faults, relay_of, secret, warnings

AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes().decode()
OTHER = trustme.CA().cert_pem.bytes().decode()
ISSUED = AUTHORITY.issue_cert("relay.example.com")
LEAF = ISSUED.cert_chain_pems[0].bytes().decode()
KEY = ISSUED.private_key_pem.bytes().decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PEM, id="as it is"),
        pytest.param(PEM.replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(PEM.replace("\n", " "), id="line ends turned into spaces"),
        pytest.param(PEM.replace("\n", ""), id="line ends lost"),
        pytest.param(PEM.replace("\n", "\\n"), id="literal line ends"),
        pytest.param(PEM.replace("\n", "\\r\\n"), id="literal Windows line ends"),
        pytest.param(f"\n\t {PEM} \n", id="space around"),
        pytest.param(f"subject=CN = Acme CA\n{PEM}", id="a line of openssl before it"),
    ],
)
def test_a_certificate_pasted_into_the_console_is_read(text: str) -> None:
    certificate = parse_ca_certificate(text)

    ssl.create_default_context(cadata=certificate.pem)
    assert ssl.PEM_cert_to_DER_cert(certificate.pem) == ssl.PEM_cert_to_DER_cert(PEM)


def test_several_certificates_are_read() -> None:
    assert parse_ca_certificate(f"{PEM} {OTHER}").pem.count("BEGIN CERTIFICATE") == 2


def test_a_server_certificate_is_not_an_authority() -> None:
    assert not parse_ca_certificate(LEAF).is_authority


@pytest.mark.parametrize("text", [f"{PEM}{KEY}", KEY, "-----BEGIN ENCRYPTED PRIVATE KEY-----"])
def test_a_private_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidCertificate) as caught:
        parse_ca_certificate(text)

    assert caught.value.code == "certificate-private-key"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "ca.pem", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----A-----END CERTIFICATE-----", PEM.replace("-----END CERTIFICATE-----", ""),
        PEM[:200] + PEM[300:], PEM + "-----BEGIN CERTIFICATE-----", PEM.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        PEM.replace("M", "\u041c", 1), "=" * 1000,
    ],
)  # fmt: skip
def test_an_incomplete_certificate_is_refused(text: str) -> None:
    with pytest.raises(InvalidCertificate) as caught:
        parse_ca_certificate(text)

    assert caught.value.code == "certificate-malformed"


def test_the_relay_gets_the_certificate() -> None:
    relay = relay_of(secret(smtpCaCertificate=PEM.replace("\n", " ")))

    assert relay.ca_certificate == parse_ca_certificate(PEM).pem


@pytest.mark.parametrize("value", ["", " ", "x", None, 7, "-----BEGIN\x00CERTIFICATE-----"])
def test_an_entry_without_a_certificate_is_invalid(value: object) -> None:
    assert [entry for entry, _ in faults(secret(smtpCaCertificate=value))] == ["smtpCaCertificate"]


def test_a_server_certificate_causes_a_warning() -> None:
    assert warnings(secret(smtpCaCertificate=LEAF)) == [("smtpCaCertificate", "certificate-not-ca")]


def test_the_problem_of_a_pasted_key_does_not_quote_it() -> None:
    with pytest.raises(InvalidCertificate) as caught:
        parse_ca_certificate(KEY)

    assert KEY.splitlines()[1] not in f"{caught.value!r} {caught.value.detail}"
