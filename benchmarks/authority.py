"""A private CA (ECDSA P-256) and the sink's certificate."""

from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.spec import HOST


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files: the CA that clients trust, the sink's certificate chain, and the sink's key."""

    ca: Path
    chain: Path
    key: Path


def issue_certificates(directory: Path) -> Certificates:
    """Create the CA and a certificate for the sink's address."""
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    certificate = ca.issue_cert(HOST, "localhost", key_type=trustme.KeyType.ECDSA)
    files = Certificates(directory / "ca.pem", directory / "chain.pem", directory / "key.pem")
    ca.cert_pem.write_to_path(files.ca)
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(files.chain, append=number > 0)
    certificate.private_key_pem.write_to_path(files.key)
    return files
