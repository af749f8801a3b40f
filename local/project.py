"""The seeded projects: one with its own relay, one without, and one with a broken secret."""

import json
from dataclasses import dataclass

WITH_RELAY = "acme"
WITHOUT_RELAY = "plain"
BROKEN = "broken"
SEEDED = (WITH_RELAY, WITHOUT_RELAY, BROKEN)


@dataclass(frozen=True, slots=True)
class RelayAccess:
    """The relay's address and credentials for a project admin: `relay` in stack.json."""

    host: str
    starttls_port: int
    tls_port: int
    username: str
    password: str
    ca_pem: str

    def entries(self, *, port: int, from_address: str, approved_senders: str = "") -> dict[str, str]:
        """Return a project's secret as an admin would type it: every value is a string."""
        entries = {
            "smtpHost": self.host,
            "smtpPort": str(port),
            "smtpSecure": "true" if port == self.tls_port else "false",
            "smtpUsername": self.username,
            "smtpPassword": self.password,
            "smtpFromAddress": from_address,
            "smtpCaCertificate": self.ca_pem,
        }
        return entries | ({"smtpApprovedSenders": approved_senders} if approved_senders else {})


def seed_secrets(relay: RelayAccess) -> dict[str, str]:
    """Return the secrets of the seeded projects, without projects that have no secret."""
    return {
        WITH_RELAY: json.dumps(
            relay.entries(
                port=relay.starttls_port,
                from_address="Acme <hello@acme.example>",
                approved_senders="billing@acme.example, support@acme.example",
            )
        ),
        # Mistakes: a letter in the port, a wrong entry name for the user name, no password, half an address.
        BROKEN: json.dumps(
            {
                "smtpHost": relay.host,
                "smtpPort": "587o",
                "smtpUser": relay.username,
                "smtpFromAddress": "hello@",
            }
        ),
    }
