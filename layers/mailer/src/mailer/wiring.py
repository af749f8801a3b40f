"""The composition root: the only place that builds adapters and reads the environment.

Adapters are imported where they are built, for each function pays at its cold start for what it imports: the
authorizer needs no AWS client and the sending functions no key parser.
"""

import functools
import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailer.problem import Problem
from mailer.settings import InvalidSettings, Settings, parse_settings

if TYPE_CHECKING:
    from mailer.adapters.smtp import SmtpTransport
    from mailer.ports import SecretStore, ServerTransport
    from mailer.secret_str import SecretStr
    from mailer.token import TokenVerifier


@functools.cache
def settings() -> Settings:
    """Return the operator's settings; raises `InvalidSettings`, which stops the start."""
    return parse_settings(os.environ)


def token_verifier() -> "TokenVerifier":
    """Return the verifier of bearer tokens."""
    from mailer.adapters.https import fetch_document  # noqa: PLC0415 -- only the authorizer pays for it
    from mailer.adapters.jwks import (  # noqa: PLC0415 -- as above
        MAX_DOCUMENT,
        FetchedKeys,
        InvalidKeySet,
        JwksVerifier,
        StaticKeys,
    )

    setting = settings().jwt_jwks
    keys: StaticKeys | FetchedKeys
    if setting.startswith("{"):
        try:
            keys = StaticKeys(setting)
        except InvalidKeySet as invalid:
            raise InvalidSettings((Problem("setting-malformed", str(invalid), entry="JWT_JWKS"),)) from None
    else:
        keys = FetchedKeys(functools.partial(fetch_document, setting, max_octets=MAX_DOCUMENT))
    return JwksVerifier(keys, issuer=settings().jwt_issuer, audience=settings().jwt_audience)


def secret_store() -> "SecretStore":
    """Return the store of the projects' secrets; its client is built now, nothing is connected before it is asked.

    Lambda gives a function's start more CPU than its first request.
    """
    from mailer.adapters.aws_session import aws_session  # noqa: PLC0415 -- not for the authorizer
    from mailer.adapters.secrets_manager import SecretsManagerStore  # noqa: PLC0415 -- as above

    if settings().allow_project_smtp:
        aws_session().secrets_manager()
    return SecretsManagerStore(
        aws_session().secrets_manager, prefix=settings().project_secret_prefix, chooses_relay=_chooses_relay
    )


def server_transport() -> "ServerTransport":
    """Return the platform's own transport; nothing is loaded before it sends."""
    from mailer.adapters.aws_session import aws_session  # noqa: PLC0415 -- not for the authorizer
    from mailer.adapters.ses import SesTransport  # noqa: PLC0415 -- as above

    return SesTransport(aws_session().ses, configuration_set_name=settings().configuration_set_name)


def relay_transport() -> "SmtpTransport":
    """Return the road to the projects' relays; nothing is connected before it sends."""
    from mailer.adapters.smtp import SmtpOptions, SmtpSender, SmtpTransport  # noqa: PLC0415 -- not for the authorizer

    return SmtpTransport(
        SmtpSender(policy=settings().relay_policy, options=SmtpOptions(ehlo_name=settings().ehlo_name))
    )


def utc_now() -> datetime:
    """Return the time of day for the Date header."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return 128 fresh random bits as letters and digits: for ids, Message-IDs and MIME boundaries."""
    return secrets.token_hex(16)


def _chooses_relay(text: "SecretStr") -> bool:
    from mailer.secret_parser import Activates, parse_secret  # noqa: PLC0415 -- not for the authorizer

    return isinstance(parse_secret(text.reveal(), settings().relay_policy), Activates)
