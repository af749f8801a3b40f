"""Parse the PEM of a private CA, also if it was pasted into a field of one line."""

import re
import ssl
from base64 import b64decode
from binascii import Error as NotBase64

import msgspec

from mailer.problem import InvalidText

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_ARMOUR = "-----"


class InvalidCertificate(InvalidText):
    """The text is not a list of certificates."""


class CaCertificate(msgspec.Struct, frozen=True):
    """PEM in canonical form; `is_authority` is false if no certificate in it may sign others."""

    pem: str
    is_authority: bool


def parse_ca_certificate(text: str) -> CaCertificate:
    r"""Return the certificates in the text, with any kind of line end.

    The AWS console turns line breaks into spaces or into a literal `\n`. Raises `InvalidCertificate`.
    """
    if "PRIVATE KEY" in text:
        raise InvalidCertificate(
            "certificate-private-key",
            "Remove the private key and give the CA's certificate. That key is no longer secret: replace it wherever "
            "it is used.",
        )
    text = text.replace("\\r", "\n").replace("\\n", "\n")
    bodies = _BLOCK.findall(text)
    if not bodies or _ARMOUR in _BLOCK.sub("", text):
        raise InvalidCertificate(
            "certificate-malformed",
            "Give the CA's certificate in PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        pem = "".join(ssl.DER_cert_to_PEM_cert(b64decode("".join(body.split()), validate=True)) for body in bodies)
        context.load_verify_locations(cadata=pem)
    except (NotBase64, ssl.SSLError) as error:
        is_damaged = isinstance(error, NotBase64)
        fault = "a part is missing or damaged" if is_damaged else "the text is not an X.509 certificate"
        raise InvalidCertificate("certificate-malformed", f"Copy the whole certificate again: {fault}.") from None
    return CaCertificate(pem, is_authority=context.cert_store_stats()["x509_ca"] > 0)
