"""The deployed service: execution environments in which the real handlers run, on real adapters and a fake AWS."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from mailer.adapters.aws.draft_store import S3DraftStore
from mailer.adapters.aws.event_bus import EventBusPublisher
from mailer.adapters.aws.ledger import DynamoDbLedger
from mailer.adapters.aws.queues import SqsDeliveryQueue, SqsFailureQueue, SqsValidationQueue
from mailer.adapters.aws.secret_writer import SecretsManagerWriter
from mailer.adapters.aws.secrets_manager import SecretsManagerReader
from mailer.adapters.aws.ses import SesTransport
from mailer.adapters.aws.template_store import DynamoDbTemplateStore
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.secret_cache import CachedSecretStore
from mailer.adapters.templates import JinjaTemplates
from mailer.ports import ConfigurationPorts, RelayTransport, SendPorts
from mailer.secret.resolution import resolve
from mailer.settings import Settings

from functions.deliver.app import create_handler as create_deliver
from functions.project_config.app import create_handler as create_project_config
from functions.send.app import create_handler as create_send
from functions.system_email.app import create_handler as create_system_email
from functions.validate_secrets.app import create_handler as create_validate_secrets
from tests.chaos.aws import Aws
from tests.chaos.schedule import Killed, Schedule
from tests.chaos.transports import SimulatedApis, SimulatedRelays
from tests.support.projects import PLATFORM_KEY

TEMPLATES = JinjaTemplates()
DELIVERIES, CHANGES, SYSTEM, CLOCK = "deliveries", "secret-changes", "system-emails", "clock"
type Handler = Callable[[dict[str, Any], Any], Mapping[str, Any]]


class Context:
    """The parts of Lambda's context that the functions use, for the current worker."""

    function_name = "function"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._deadline = schedule.worker.deadline

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until the function is stopped."""
        return max(0, int((self._deadline - self._schedule.now) * 1000))


class BugLog:
    """Implements `Log`: keeps only the lines about bugs."""

    def __init__(self, bugs: list[str]) -> None:
        self._bugs = bugs

    def info(self, msg: str, *, extra: Mapping[str, object] | None = None, **fields: object) -> None:
        """Drop the line."""

    def warning(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Drop the line."""

    def error(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Keep a line about a bug."""
        if "error_type" in extra:
            frames = cast("Sequence[str]", extra.get("frames", ()))
            self._bugs.append(f"{msg}: {extra['error_type']} at {[each.rpartition('/')[2] for each in frames[-2:]]}")


class Environment:
    """One execution environment: it has its own caches, and serves one invocation at a time."""

    def __init__(self, deployment: "Deployment") -> None:
        self._deployment = deployment
        settings, now = deployment.settings, deployment.seconds
        # The fakes have only those methods of the clients that the adapters call.
        aws = cast("Any", deployment.aws)
        clocks = Clocks(monotonic=now, wall=now)
        table: dict[str, Any] = {"table": "ledger", "pause": deployment.schedule.wait}
        shared: dict[str, Any] = {
            "settings": settings,
            "ledger": DynamoDbLedger(lambda: aws.dynamodb, once_factory=lambda: aws.dynamodb, **table),
            "queue": SqsDeliveryQueue(lambda: aws.sqs, url=DELIVERIES),
            "events": EventBusPublisher(lambda: aws, bus_name="bus"),
            "secrets": CachedSecretStore(
                SecretsManagerReader(lambda: aws.secrets, "project-smtp/").fetch,
                resolve=lambda answer: resolve(allow_project_smtp=True, answer=answer, policy=settings.relay_policy),
                clocks=clocks,
            ),
            "validations": SqsValidationQueue(lambda: aws.sqs, url=CHANGES),
            "clock": now,
            "now": deployment.now,
        }
        self.send_ports = SendPorts(
            **shared,
            drafts=S3DraftStore(lambda: aws, bucket="content"),
            templates=DynamoDbTemplateStore(lambda: aws.dynamodb, **table),
            relay=deployment.relay,
            server=SesTransport(lambda: aws.ses, clocks=clocks),
            api=deployment.apis,
            new_id=deployment.new_id,
            chance=lambda: deployment.schedule.worker.random.random(),
            wait=deployment.schedule.wait,
            platform_key=lambda: PLATFORM_KEY,
        )
        self.configuration_ports = ConfigurationPorts(
            **shared,
            writer=SecretsManagerWriter(lambda: aws.secrets, prefix="project-smtp/", new_token=deployment.new_token),
            probe=deployment.probe,
            api=deployment.apis,
        )
        self.handlers = self._build(deployment)

    def _build(self, deployment: "Deployment") -> Mapping[str, Handler]:
        failures = SqsFailureQueue(lambda: cast("Any", deployment.aws.sqs), url="failures")
        common: dict[str, Any] = {"log": BugLog(deployment.bugs), "count": lambda *_: None}
        clock = deployment.seconds
        return {
            "send": cast("Handler", create_send(ports=self.send_ports, clock=clock, **common)),
            "project_config": cast(
                "Handler",
                create_project_config(
                    ports=self.send_ports, configuration=self.configuration_ports, clock=clock, **common
                ),
            ),
            "deliver": cast(
                "Handler", create_deliver(ports=self.send_ports, refuse=failures.send, clock=clock, **common)
            ),
            "system_email": cast(
                "Handler",
                create_system_email(
                    ports=self.send_ports,
                    templates=TEMPLATES,
                    app_base_url="https://app.platform.example/",
                    failures=failures,
                    has_secret=lambda _project_id: True,
                    **common,
                ),
            ),
            "validate_secrets": cast(
                "Handler",
                create_validate_secrets(ports=self.configuration_ports, failures=failures, clock=clock, **common),
            ),
        }


class Deployment:
    """The functions, their environments, and the operator's settings."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        aws: Aws,
        settings: Settings,
        relay: RelayTransport,
        probe: SimulatedRelays,
        apis: SimulatedApis,
        bugs: list[str],
        new_id: Callable[[], str],
    ) -> None:
        self.schedule = schedule
        self.aws = aws
        self.settings = settings
        self.relay = relay
        self.probe = probe
        self.apis = apis
        self.bugs = bugs
        self.new_id = new_id
        self._idle: dict[str, list[Environment]] = {}

    def seconds(self) -> float:
        """Return the time, also as monotonic seconds."""
        return self.schedule.now

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.fromtimestamp(self.schedule.now, UTC)

    def new_token(self) -> str:
        """Return the id of a new version of a secret."""
        return f"{self.schedule.worker.random.getrandbits(128):032x}"

    def invoke(self, function: str, event: dict[str, Any]) -> Mapping[str, Any]:
        """Call a function's handler in the current worker. The environment of a killed worker is gone."""
        idle = self._idle.setdefault(function, [])
        environment = idle.pop(0) if idle else Environment(self)
        try:
            answer = environment.handlers[function](event, Context(self.schedule))
        except Killed:
            raise
        idle.append(environment)
        return answer

    def request(self, function: str, method: str, path: str, key: str, **parts: Any) -> tuple[int, Any]:
        """Make one HTTP request with a project's token, and return the status and the body of the answer."""
        project = parts["project"]
        parameters = {"projectId": project, **parts.get("parameters", {})}
        scope = "email:send email:read email-config:read email-config:write"
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": path,
            "headers": {"content-type": "application/json", **parts.get("headers", {})},
            "pathParameters": parameters,
            "requestContext": {
                "http": {"method": method, "path": path},
                "requestId": "request",
                "stage": "$default",
                "authorizer": {"lambda": {"project_id": project, "scope": scope, "subject": "chaos"}},
            },
            "isBase64Encoded": False,
        }
        if "query" in parts:
            event["queryStringParameters"] = parts["query"]
        if "body" in parts:
            event["body"] = json.dumps(parts["body"])
        answer = self.invoke(function, event)
        return answer["statusCode"], json.loads(answer["body"] or "null")
