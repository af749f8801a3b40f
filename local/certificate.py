"""The private CA of one stack: the relay's certificate is one that only a project which trusts this CA accepts."""

import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True, slots=True)
class RelayCertificate:
    """The CA as a project would put it into its secret, and the server's side of TLS."""

    ca_pem: str
    server_context: ssl.SSLContext


def issue_certificate(*host_names: str) -> RelayCertificate:
    """Make a new CA and a certificate of it for these names and addresses; TLS 1.2 at least."""
    authority = trustme.CA(organization_name="Embedded stack", organization_unit_name="Private CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*host_names).configure_cert(context)
    return RelayCertificate(authority.cert_pem.bytes().decode("ascii"), context)
