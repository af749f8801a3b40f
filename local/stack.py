"""Starts the parts of the stack in order, and stops them in the opposite order."""

import contextlib
import functools
import logging
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from mailer.settings import Settings, parse_settings

from local import cloud
from local.certificate import issue_certificate
from local.cloud import Cloud, SesRequest
from local.deploy import DeployedFunction, Deployment, deploy
from local.environment import Function
from local.gateway import TOO_LARGE, Gateway
from local.http_server import HttpServer, wsgi_app
from local.inbox import Arrival, Contact, Inbox, Receiver
from local.inbox_page import InboxPage
from local.option import ROOT, Options, variable_name
from local.project import SEEDED, RelayAccess, seed_secrets
from local.queue_pump import QueuePump
from local.relay import USERNAME, Relay
from local.schedule import Scheduler, Tick
from local.state import FUNCTION_LOG, STACK_LOG, Stack, announced, forget
from local.template import Template, read_template
from local.token import EVERY_SCOPE, OPERATOR, create_signing_key

RELAY_HOST = "localhost"

_MINUTE_SECONDS = 60.0

# `host.docker.internal` is the name of this machine in a container.
_CERTIFIED_NAMES = (RELAY_HOST, "127.0.0.1", "::1", "host.docker.internal")


@contextlib.contextmanager
def running_stack(options: Options) -> Iterator[Stack]:
    """Start a stack, and stop all of it when the block ends.

    Raises `mailer.settings.InvalidSettings` if an operator's setting is invalid, `OSError` if a port is in use, and
    `local.environment.FunctionDidNotStart` if a function cannot be imported.
    """
    with contextlib.ExitStack() as started:
        options.directory.mkdir(parents=True, exist_ok=True)
        forget(options.directory)
        log = started.enter_context((options.directory / FUNCTION_LOG).open("w", encoding="utf-8", buffering=1))
        started.enter_context(_logging_to(options.directory / STACK_LOG))
        cloud.enter_region()
        yield _start(options, log, started)


def _start(options: Options, log: TextIO, started: contextlib.ExitStack) -> Stack:
    template = read_template(ROOT / "template.yaml")
    signing_key, jwks = create_signing_key(
        issuer=options.operator["JWT_ISSUER"], audience=options.operator["JWT_AUDIENCE"]
    )
    inbox = Inbox()
    aws = Cloud(
        bind_address=options.bind_address,
        port=options.aws_port,
        on_send_email=functools.partial(_record_ses_request, inbox),
    )
    started.callback(aws.stop)
    deployed = deploy(template, _parameters(template, {"JWT_JWKS": jwks, **options.operator}), aws)
    settings = _settings(deployed.functions)
    _verify_senders(settings, aws)

    access, relay = _start_relay(options, inbox)
    started.callback(relay.stop)
    with aws.trail_off():
        _store_secrets(seed_secrets(access), settings.project_secret_prefix, aws)

    functions = _start_functions(template, deployed.functions, aws, log, started)
    _start_event_sources(deployed, functions, options, aws, started)
    api_url, inbox_url = _start_servers(template, functions, inbox, options, started)

    stack = Stack(
        api_url=api_url,
        aws_endpoint_url=aws.endpoint_url,
        region=cloud.REGION,
        access_key_id=cloud.ACCESS_KEY_ID,
        secret_access_key=cloud.SECRET_ACCESS_KEY,
        event_bus=settings.event_bus_name,
        project_secret_prefix=settings.project_secret_prefix,
        inbox_url=inbox_url,
        relay=access,
        tokens={
            "operator": signing_key.issue(project_id=OPERATOR, scope=EVERY_SCOPE),
            **{name: signing_key.issue(project_id=name, scope=EVERY_SCOPE) for name in SEEDED},
        },
    )
    started.enter_context(announced(stack, signing_key, options.directory))
    return stack


def _parameters(template: Template, operator: Mapping[str, str]) -> dict[str, str]:
    named = {name: variable_name(name) for name in template.parameters}
    return {name: operator[variable] for name, variable in named.items() if variable in operator}


def _settings(deployed: Mapping[str, DeployedFunction]) -> Settings:
    """Read the settings that all functions share, so that a bad value stops the stack's start."""
    return parse_settings(next(iter(deployed.values())).environment)


def _verify_senders(settings: Settings, aws: Cloud) -> None:
    ses = aws.client("sesv2")
    senders = settings.server_senders
    # The addresses keep their configured spelling, because moto's comparison is case-sensitive.
    for address in {str(address) for address in (senders.default.address, *senders.approved)}:
        ses.create_email_identity(EmailIdentity=address)


def _record_ses_request(inbox: Inbox, request: SesRequest) -> None:
    inbox.count(Contact.SES_REQUEST)
    if request.accepted:
        now = datetime.now(UTC)
        inbox.add(Arrival(Receiver.SES, now, request.sender, request.recipients, request.content))


def _start_relay(options: Options, inbox: Inbox) -> tuple[RelayAccess, Relay]:
    certificate = issue_certificate(*_CERTIFIED_NAMES)
    password = secrets.token_urlsafe(18)
    relay = Relay(bind_address=options.bind_address, context=certificate.server_context, password=password, inbox=inbox)
    access = RelayAccess(RELAY_HOST, relay.starttls_port, relay.tls_port, USERNAME, password, ca_pem=certificate.ca_pem)
    return access, relay


def _store_secrets(texts: Mapping[str, str], prefix: str, aws: Cloud) -> None:
    secrets_manager = aws.client("secretsmanager")
    for project_id, text in texts.items():
        secrets_manager.create_secret(Name=f"{prefix}{project_id}", SecretString=text)


def _start_functions(
    template: Template,
    deployed: Mapping[str, DeployedFunction],
    aws: Cloud,
    log: TextIO,
    started: contextlib.ExitStack,
) -> dict[str, Function]:
    functions = {}
    for name, function in deployed.items():
        runtime = {
            **cloud.PROCESS_ENVIRONMENT,
            "AWS_ENDPOINT_URL": aws.endpoint_url,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_megabytes),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "TZ": ":UTC",
        }
        functions[name] = Function(function, template.code[name], {**function.environment, **runtime}, log)
        started.callback(functions[name].stop)
    for starting in functions.values():
        starting.wait_until_ready()
    return functions


def _start_event_sources(
    deployed: Deployment,
    functions: Mapping[str, Function],
    options: Options,
    aws: Cloud,
    started: contextlib.ExitStack,
) -> None:
    sqs = aws.client("sqs")
    for mapping in deployed.mappings:
        pump = QueuePump(sqs, functions[mapping.function].invoke, mapping, deployed.queues[mapping.queue])
        started.callback(pump.stop)
    speed = options.clock_seconds / _MINUTE_SECONDS
    ticks = [
        Tick(deployed.queues[schedule.queue].url, schedule.body, schedule.interval_seconds * speed)
        for schedule in deployed.schedules
    ]
    started.callback(Scheduler(sqs, ticks).stop)


def _start_servers(
    template: Template,
    functions: Mapping[str, Function],
    inbox: Inbox,
    options: Options,
    started: contextlib.ExitStack,
) -> tuple[str, str]:
    """Start the HTTP API and the inbox page, and return their URLs."""
    gateway = Gateway(
        template.routes, {name: function.invoke for name, function in functions.items()}, region=cloud.REGION
    )
    inbox_app = wsgi_app(InboxPage(inbox), too_large=TOO_LARGE)
    inbox_server = HttpServer(inbox_app, bind_address=options.bind_address, port=options.inbox_port)
    started.callback(inbox_server.stop)
    api_app = wsgi_app(gateway, too_large=TOO_LARGE)
    api = HttpServer(api_app, bind_address=options.bind_address, port=options.api_port)
    started.callback(api.stop)
    return api.url, inbox_server.url


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write the logs of servers and libraries to a file while the block runs."""
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        handler.close()
