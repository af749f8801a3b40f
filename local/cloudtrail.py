"""CloudTrail, simulated: a changed secret becomes a management event on EventBridge.

As in AWS, the event names the secret and the version, and never holds a secret value.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from local.exchange import Environ, StartResponse, WsgiApp, observe

DETAIL_TYPE = "AWS API Call via CloudTrail"
SOURCE = "aws.secretsmanager"

_TARGET_PREFIX = "secretsmanager."
_WATCHED = frozenset(
    {"PutSecretValue", "UpdateSecret", "CreateSecret", "DeleteSecret", "RestoreSecret", "UpdateSecretVersionStage"}
)
# The members of a request that CloudTrail records; secret values are left out.
_SHOWN = frozenset(
    {
        "ClientRequestToken",
        "Description",
        "ForceDeleteWithoutRecovery",
        "KmsKeyId",
        "MoveToVersionId",
        "Name",
        "RecoveryWindowInDays",
        "RemoveFromVersionId",
        "SecretId",
        "VersionStage",
        "VersionStages",
    }
)
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")

type Detail = Mapping[str, object]


def watch_secrets(app: WsgiApp, on_change: Callable[[Detail], None]) -> WsgiApp:
    """Wrap moto to report each successful change of a secret, after it was made."""

    def watching(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if f"{service}." != _TARGET_PREFIX or operation not in _WATCHED:
            return app(environ, start_response)
        exchange = observe(app, environ, start_response)
        if exchange.is_success:
            caller = _ACCESS_KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
            on_change(
                management_event(
                    operation,
                    json.loads(exchange.request),
                    json.loads(b"".join(exchange.answer)),
                    access_key_id=caller[1] if caller else "",
                    now=datetime.now(UTC),
                )
            )
        return exchange.answer

    return watching


def management_event(
    operation: str, request: Mapping[str, object], answer: Mapping[str, object], *, access_key_id: str, now: datetime
) -> Detail:
    """Return the event's detail."""
    arn = str(answer["ARN"])
    _, _, _, region, account, *_ = arn.split(":")
    response: dict[str, object] = {"arn": arn}
    if operation == "DeleteSecret":
        response |= {"name": answer["Name"], "deletionDate": _moment(now)}
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": access_key_id,
            "arn": f"arn:aws:iam::{account}:user/{access_key_id}",
            "accountId": account,
            "accessKeyId": access_key_id,
            "userName": access_key_id,
        },
        "eventTime": _moment(now),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": operation,
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "embedded",
        "requestParameters": {name[0].lower() + name[1:]: value for name, value in request.items() if name in _SHOWN},
        "responseElements": response,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
