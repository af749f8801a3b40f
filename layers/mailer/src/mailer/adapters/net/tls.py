"""TLS as a client: verified contexts, and causes for failed handshakes.

Verification cannot be turned off. TLS 1.2 is the minimum (RFC 8997).
"""

import functools
import ssl

from mailer.smtp.outcome import Cause

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_CAUSES = {
    9: Cause.CERTIFICATE_NOT_YET_VALID,
    10: Cause.CERTIFICATE_EXPIRED,
    **dict.fromkeys((18, 19, 20, 21), Cause.CERTIFICATE_UNTRUSTED),
    **dict.fromkeys((62, 64), Cause.CERTIFICATE_HOST_MISMATCH),
}
# OpenSSL's reasons if the peer's first octets are not a TLS record, for example SMTP in clear text.
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}
)


@functools.lru_cache(maxsize=64)
def client_context(ca_certificate: str | None) -> ssl.SSLContext:
    """Return the context that all connections with this authority share; None is the system's authorities."""
    return new_context(ca_certificate)


def new_context(ca_certificate: str | None) -> ssl.SSLContext:
    """Return a context that trusts only the given authority (PEM); with None the system's authorities."""
    context = ssl.create_default_context(cadata=ca_certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def is_verified(session: object, host: str) -> bool:
    """Tell whether the handshake checked this host's name; without a name `wrap_bio` checks no name."""
    return (
        isinstance(session, ssl.SSLObject)
        and session.server_hostname == host
        and session.context.check_hostname
        and session.context.verify_mode is ssl.CERT_REQUIRED
    )


def handshake_failure(error: ssl.SSLError) -> Cause:
    """Return the cause of a failed handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CAUSES.get(error.verify_code, Cause.CERTIFICATE_INVALID)
    return Cause.TLS_MISMATCH if error.reason in _NOT_TLS else Cause.TLS_HANDSHAKE_FAILED


def find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error in an exception; aiosmtplib wraps it in its own error, except with STARTTLS."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError) and not isinstance(seen, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
