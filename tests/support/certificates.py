"""Certificates for relays in tests: a private authority, valid certificates, and each kind of invalid certificate."""

import datetime
import ipaddress
import ssl
from functools import cache

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority; a client must trust `pem`."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.pem = self._ca.cert_pem.bytes().decode("ascii")

    def valid(self, *names: str) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names or addresses."""
        return _server_context(self._ca.issue_cert(*names))

    def files(self, *names: str) -> tuple[bytes, bytes]:
        """Return a key and a certificate chain as PEM, for servers that read files."""
        leaf = self._ca.issue_cert(*names)
        return leaf.private_key_pem.bytes(), b"".join(each.bytes() for each in leaf.cert_chain_pems)

    def common_name_only(self, name: str, *, other: str) -> ssl.SSLContext:
        """Return a context whose certificate has the name only in its subject, and another alternative name."""
        return _server_context(self._ca.issue_cert(other, common_name=name))

    def expired(self, *names: str) -> ssl.SSLContext:
        """Return a context whose certificate was valid until yesterday."""
        now = datetime.datetime.now(datetime.UTC)
        return _server_context(self._ca.issue_cert(*names, not_before=now - 30 * _DAY, not_after=now - _DAY))

    def not_yet_valid(self, *names: str) -> ssl.SSLContext:
        """Return a context whose certificate is valid from tomorrow."""
        now = datetime.datetime.now(datetime.UTC)
        return _server_context(self._ca.issue_cert(*names, not_before=now + _DAY, not_after=now + 30 * _DAY))


@cache
def authority() -> Authority:
    """Return the authority that the tests' clients trust. Creating keys is slow, so each process has one authority."""
    return Authority()


@cache
def unknown_authority() -> Authority:
    """Return an authority that no client trusts."""
    return Authority()


def self_signed(name: str) -> ssl.SSLContext:
    """Return a server's context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(pem).tempfile() as path:
        context.load_cert_chain(path)
    return context


def _server_context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context
