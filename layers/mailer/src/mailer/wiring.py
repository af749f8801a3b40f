"""The composition root: the only place that builds adapters and reads the environment.

Each adapter is built once per process, and imported by the function that builds it, so a cold start loads only what is
used. For example, the authorizer needs no AWS client, and the sending functions need no key parser.
"""

import functools
import os
import random
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from mailer.problem import Problem
from mailer.settings import InvalidSettings, Resources, Settings, parse_resources, parse_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwt import PyJWK

    from mailer.adapters.aws.platform_key import SecretsManagerKey
    from mailer.adapters.aws.secrets_manager import SecretsManagerReader
    from mailer.adapters.aws.session import AwsSession
    from mailer.adapters.providers import ProviderApis
    from mailer.adapters.smtp import SmtpTransport
    from mailer.ports import (
        AcceptPorts,
        ConfigurationPorts,
        DeliveryQueue,
        DraftStore,
        EventPublisher,
        FailureQueue,
        Ledger,
        SecretStore,
        SecretWriter,
        SendPorts,
        ServerTransport,
        TemplateStore,
        ValidationQueue,
    )
    from mailer.relay.secret_str import SecretStr
    from mailer.system_email.content import Templates
    from mailer.token import TokenVerifier


def accept_ports() -> "AcceptPorts":
    """Return the ports of the use cases that accept messages for later."""
    from mailer.ports import AcceptPorts

    return AcceptPorts(
        settings=settings(),
        ledger=ledger(),
        drafts=draft_store(),
        queue=delivery_queue(),
        events=event_publisher(),
        now=utc_now,
        new_id=new_message_id,
    )


def send_ports() -> "SendPorts":
    """Return the ports of the use cases that accept and attempt messages."""
    from mailer.ports import SendPorts

    return SendPorts(
        settings=settings(),
        secrets=secret_store(),
        templates=template_store(),
        relay=relay_transport(),
        server=server_transport(),
        api=api_transport(),
        ledger=ledger(),
        drafts=draft_store(),
        queue=delivery_queue(),
        validations=validation_queue(),
        events=event_publisher(),
        clock=time.monotonic,
        now=utc_now,
        new_id=new_message_id,
        chance=chance,
        wait=time.sleep,
        platform_key=platform_key,
    )


def configuration_ports() -> "ConfigurationPorts":
    """Return the ports of the use cases that validate and change projects' secrets."""
    from mailer.ports import ConfigurationPorts

    return ConfigurationPorts(
        settings=settings(),
        secrets=secret_store(),
        writer=secret_writer(),
        probe=relay_transport(),
        api=api_transport(),
        ledger=ledger(),
        queue=delivery_queue(),
        events=event_publisher(),
        validations=validation_queue(),
        clock=time.monotonic,
        now=utc_now,
    )


@functools.cache
def settings() -> Settings:
    """Return the operator's settings; raises `InvalidSettings`, so the function does not start."""
    return parse_settings(os.environ)


def token_verifier() -> "TokenVerifier":
    """Return the verifier of bearer tokens."""
    from mailer.adapters.jwks import FetchedKeys, InvalidKeySet, JwksVerifier, parse_key_set

    setting = settings().jwt_jwks
    find: Callable[[str], PyJWK | None]
    if setting.startswith("{"):
        try:
            find = parse_key_set(setting).get
        except InvalidKeySet as invalid:
            raise InvalidSettings((Problem("setting-malformed", str(invalid), entry="JWT_JWKS"),)) from None
    else:
        find = FetchedKeys(functools.partial(_fetch_document, setting)).find
    return JwksVerifier(find, issuer=settings().jwt_issuer, audience=settings().jwt_audience)


def _fetch_document(url: str) -> str:
    from mailer.adapters.net.https_document import fetch_document

    return fetch_document(url)


@functools.cache
def secret_store() -> "SecretStore":
    """Return the secret store. Its client is built now, because a function has more CPU at its start."""
    from mailer.adapters.secret_cache import CachedSecretStore
    from mailer.secret.resolution import resolve

    if settings().allow_project_smtp:
        _aws().secrets_manager()
    return CachedSecretStore(
        secret_reader().fetch,
        resolve=lambda answer: resolve(allow_project_smtp=True, answer=answer, policy=settings().relay_policy),
    )


def secret_reader() -> "SecretsManagerReader":
    """Return the reader of secrets without a cache; its client is built when it is first used."""
    from mailer.adapters.aws.secrets_manager import SecretsManagerReader

    return SecretsManagerReader(_aws().secrets_manager, settings().project_secret_prefix)


def platform_key() -> "SecretStr":
    """Return the key of fingerprints. It is read when the first request has an idempotency key, and then kept."""
    return _platform_keys()()


@functools.cache
def _platform_keys() -> "SecretsManagerKey":
    from mailer.adapters.aws.platform_key import SecretsManagerKey

    return SecretsManagerKey(_aws().secrets_manager, secret_id=_resource("PLATFORM_KEY_ARN"))


@functools.cache
def server_transport() -> "ServerTransport":
    """Return the server transport; its client is built when it first sends."""
    from mailer.adapters.aws.ses import SesTransport

    return SesTransport(_aws().ses, configuration_set_name=settings().configuration_set_name)


@functools.cache
def relay_transport() -> "SmtpTransport":
    """Return the transport to the projects' relays; it connects when it sends or probes."""
    from mailer.adapters.smtp import SmtpOptions, SmtpSender, SmtpTransport

    options = SmtpOptions(ehlo_name=settings().ehlo_name)
    return SmtpTransport(SmtpSender(policy=settings().relay_policy, options=options))


@functools.cache
def ledger() -> "Ledger":
    """Return the ledger. Its client is built now, because every request uses it."""
    from mailer.adapters.aws.ledger import DynamoDbLedger

    table = _resource("LEDGER_TABLE")
    _aws().dynamodb()
    return DynamoDbLedger(_aws().dynamodb, once_factory=_aws().dynamodb_once, table=table)


@functools.cache
def draft_store() -> "DraftStore":
    """Return the content store; its client is built when it is first used."""
    from mailer.adapters.aws.draft_store import S3DraftStore

    return S3DraftStore(_aws().s3, bucket=_resource("CONTENT_BUCKET"))


@functools.cache
def template_store() -> "TemplateStore":
    """Return the template store, which shares the ledger's client."""
    from mailer.adapters.aws.template_store import DynamoDbTemplateStore

    return DynamoDbTemplateStore(_aws().dynamodb, table=_resource("LEDGER_TABLE"))


@functools.cache
def delivery_queue() -> "DeliveryQueue":
    """Return the delivery queue; its client is built when it is first used."""
    from mailer.adapters.aws.queues import SqsDeliveryQueue

    return SqsDeliveryQueue(_aws().sqs, url=_resource("DELIVERY_QUEUE_URL"))


@functools.cache
def validation_queue() -> "ValidationQueue":
    """Return the queue of requested validations; its client is built when it is first used."""
    from mailer.adapters.aws.queues import SqsValidationQueue

    return SqsValidationQueue(_aws().sqs, url=_resource("SECRET_CHANGE_QUEUE_URL"))


def failure_queue(
    name: Literal["DELIVERY_FAILURE_QUEUE_URL", "SYSTEM_EMAIL_FAILURE_QUEUE_URL", "SECRET_CHANGE_FAILURE_QUEUE_URL"],
) -> "FailureQueue":
    """Return the failure queue whose URL is in this variable; its client is built when it is first used."""
    from mailer.adapters.aws.queues import SqsFailureQueue

    return SqsFailureQueue(_aws().sqs, url=_resource(name))


@functools.cache
def event_publisher() -> "EventPublisher":
    """Return the event publisher; its client is built when it is first used."""
    from mailer.adapters.aws.event_bus import EventBusPublisher

    return EventBusPublisher(_aws().events, bus_name=settings().event_bus_name)


@functools.cache
def secret_writer() -> "SecretWriter":
    """Return the secret writer; its client is built when it is first used."""
    from mailer.adapters.aws.secret_writer import SecretsManagerWriter

    return SecretsManagerWriter(
        _aws().secrets_manager,
        prefix=settings().project_secret_prefix,
        key_arn=_resources().project_secret_key_arn,
    )


def templates() -> "Templates":
    """Return the renderer of system e-mails."""
    from mailer.adapters.templates import JinjaTemplates

    return JinjaTemplates()


@functools.cache
def api_transport() -> "ProviderApis":
    """Return the transport to providers' HTTP APIs; it loads nothing before it sends."""
    from mailer.adapters.providers import ProviderApis

    return ProviderApis(policy=settings().relay_policy)


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def new_message_id() -> str:
    """Return an unpredictable id of 32 hexadecimal digits. Ids sort by their creation time, to the millisecond."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def chance() -> float:
    """Return a random number from 0 to below 1, which spreads retries."""
    return random.random()  # noqa: S311 -- no secret depends on it


def _resource(variable: str) -> str:
    name: object = getattr(_resources(), variable.lower())
    if not isinstance(name, str):
        raise InvalidSettings(
            (Problem("setting-missing", "The template must set this variable for this function.", entry=variable),)
        )
    return name


def _aws() -> "AwsSession":
    from mailer.adapters.aws.session import aws_session

    return aws_session()


@functools.cache
def _resources() -> Resources:
    return parse_resources(os.environ)
