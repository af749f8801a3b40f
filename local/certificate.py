"""The private CA of one stack, which issues the relay's certificate."""

import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True, slots=True)
class RelayCertificate:
    """The CA in PEM, as a project's secret holds it, and the server's TLS context."""

    ca_pem: str
    server_context: ssl.SSLContext


def issue_certificate(*host_names: str) -> RelayCertificate:
    """Create a CA and a certificate for these names and addresses; TLS 1.2 or newer."""
    authority = trustme.CA(organization_name="Embedded stack", organization_unit_name="Private CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*host_names).configure_cert(context)
    return RelayCertificate(authority.cert_pem.bytes().decode("ascii"), context)
