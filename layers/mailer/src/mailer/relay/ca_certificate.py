"""The certificate of a private CA, as an admin pastes it into a one-line field."""

import re
import ssl
from base64 import b64decode
from binascii import Error as NotBase64

import msgspec

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_ARMOUR = "-----"


class InvalidCertificate(ValueError):
    """The text is not one certificate or several; `code` is stable, `detail` states the remedy."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class CaCertificate(msgspec.Struct, frozen=True):
    """PEM in its canonical form; `is_authority` is false where no certificate in it may sign others."""

    pem: str
    is_authority: bool


def parse_ca_certificate(text: str) -> CaCertificate:
    r"""Return the certificates that the text holds, whatever became of their line ends on the way.

    A console field turns line breaks into spaces or into a literal `\n`. Raises `InvalidCertificate`.
    """
    if "PRIVATE KEY" in text:
        raise InvalidCertificate(
            "certificate-private-key",
            "Remove the private key, replace that key everywhere because it has been stored here, and give only the "
            "CA's certificate.",
        )
    text = text.replace("\\r", "\n").replace("\\n", "\n")
    bodies = _BLOCK.findall(text)
    if not bodies or _ARMOUR in _BLOCK.sub("", text):
        raise InvalidCertificate(
            "certificate-malformed",
            "Give the CA's certificate in PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
        )
    return _load("".join(_canonical(body) for body in bodies))


def _canonical(body: str) -> str:
    base64 = "".join(body.split())
    try:
        b64decode(base64, validate=True)
    except NotBase64:
        raise InvalidCertificate(
            "certificate-malformed", "A part of the certificate is missing or damaged; copy it again, whole."
        ) from None
    lines = [base64[start : start + 64] for start in range(0, len(base64), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def _load(pem: str) -> CaCertificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError:
        raise InvalidCertificate(
            "certificate-malformed", "The text between the markers is no X.509 certificate; copy it again, whole."
        ) from None
    return CaCertificate(pem, is_authority=context.cert_store_stats()["x509_ca"] > 0)
