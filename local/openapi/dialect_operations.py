"""Other systems' routes, each with the answers and errors of its original."""

from collections.abc import Mapping

from mailer.api.dialects import courier, dreamfactory, medplum, messagepipe, messagepipe_config

from local.openapi.operations import (
    CHANGE_CODES,
    LIMITS,
    QUEUE_CODES,
    READ_CODES,
    SEND,
    SEND_CODES,
    SENDING_HEADERS,
    Operation,
)
from local.openapi.problems import Refusal

_SENT_HEADERS = (
    "Location", "Email-Status", "Email-Diverted-To", "Preference-Applied", "Idempotent-Replayed", *LIMITS,
)  # fmt: skip
_MESSAGEPIPE = Refusal("MessagePipeError", messagepipe.refuse, messagepipe.fail)
_SCOPES = {route.key: route.scopes for route in messagepipe_config.ROUTES}
_PROJECT = ("ProjectOfOperator",)
_SENT = {200: ("MessagePipeSent",), 202: ("MessagePipeSent",)}


def _configuring(
    key: str,
    id: str,
    summary: str,
    answers: Mapping[int, tuple[str, ...]],
    *,
    body: str | None = None,
    parameters: tuple[str, ...] = (),
) -> Operation:
    return Operation(
        id=id,
        tag="MessagePipe",
        summary=summary,
        scopes=_SCOPES[key],
        body=body,
        parameters=(*_PROJECT, *parameters),
        answers=answers,
        codes=READ_CODES if key.startswith("GET ") else CHANGE_CODES,
        refusal=_MESSAGEPIPE,
    )


_SENDER, _PROVIDERS = "/email-config", "/email-config/providers"
_CONFIGURING = {
    key: _configuring(key, id, summary, answers, body=body, parameters=parameters)
    for key, id, summary, answers, body, parameters in (
        (f"GET {_SENDER}", "showSender", "Show the sender", {200: ("MessagePipeSenderShown",)}, None, ()),
        (
            f"POST {_SENDER}", "addSender", "Give the project a sender", {201: ("MessagePipeSenderShown",)},
            "MessagePipeSender", (),
        ),
        (
            f"PUT {_SENDER}", "changeSender", "Change the sender", {200: ("MessagePipeSenderShown",)},
            "MessagePipeSender", (),
        ),
        (f"GET {_PROVIDERS}", "listOfProviders", "List the providers", {200: ("MessagePipeProviders",)}, None, ()),
        (
            f"POST {_PROVIDERS}", "addOneProvider", "Add a provider", {201: ("MessagePipeProvider",)},
            "ProviderRequest", ("IfMatch",),
        ),
        (
            f"PUT {_PROVIDERS}/{{providerId}}", "changeOneProvider", "Change a provider",
            {200: ("MessagePipeProvider",)}, "ProviderChange", ("IfMatch",),
        ),
        (
            f"DELETE {_PROVIDERS}/{{providerId}}", "removeOneProvider", "Remove a provider",
            {200: ("MessagePipeRemoved",)}, None, ("IfMatch",),
        ),
        (
            f"GET {_SENDER}/provider-schemas", "listOfProviderSchemas", "Describe the providers' configurations",
            {200: ("ProviderSchemas",)}, None, (),
        ),
        (
            f"GET {_SENDER}/provider-schemas/{{provider}}", "showOneProviderSchema",
            "Describe one provider's configuration", {200: ("ProviderSchema",)}, None, (),
        ),
    )
}  # fmt: skip

OPERATIONS: Mapping[str, Operation] = {
    medplum.ROUTE: Operation(
        id="sendAsMedplum",
        tag="Medplum",
        summary="Send a message in Nodemailer's words",
        scopes=(SEND,),
        body="MedplumEmail",
        parameters=(*SENDING_HEADERS, *_PROJECT),
        answers={200: ("OperationOutcome",), 202: ("OperationOutcome",)},
        headers=_SENT_HEADERS,
        codes=SEND_CODES,
        refusal=Refusal("OperationOutcome", medplum.refuse, medplum.fail),
    ),
    dreamfactory.ROUTE: Operation(
        id="sendAsDreamFactory",
        tag="DreamFactory",
        summary="Send a message in DreamFactory's words",
        scopes=(SEND,),
        body="DreamFactoryEmail",
        parameters=(*SENDING_HEADERS, *_PROJECT, "TemplateOfQuery", "TemplateIdOfQuery"),
        answers={200: ("DreamFactoryCount",), 202: ("DreamFactoryCount",)},
        headers=_SENT_HEADERS,
        codes=SEND_CODES,
        refusal=Refusal("DreamFactoryError", dreamfactory.refuse, dreamfactory.fail),
    ),
    courier.ROUTE: Operation(
        id="sendAsCourier",
        tag="Courier",
        summary="Send a message in Courier's words",
        scopes=(SEND,),
        body="CourierSend",
        parameters=(*SENDING_HEADERS, *_PROJECT),
        answers={202: ("CourierRequest",)},
        headers=_SENT_HEADERS,
        codes=SEND_CODES,
        refusal=Refusal("CourierError", courier.refuse, courier.fail),
    ),
    messagepipe.ROUTE: Operation(
        id="sendAsMessagePipe",
        tag="MessagePipe",
        summary="Send a message made of a stored template",
        scopes=(SEND,),
        body="MessagePipeEmail",
        parameters=(*SENDING_HEADERS, *_PROJECT),
        answers=_SENT,
        headers=_SENT_HEADERS,
        codes=SEND_CODES,
        refusal=_MESSAGEPIPE,
    ),
    messagepipe.BULK_ROUTE: Operation(
        id="sendBulkAsMessagePipe",
        tag="MessagePipe",
        summary="Queue a message made of a stored template for each recipient",
        scopes=(SEND,),
        body="MessagePipeBulk",
        parameters=("IdempotencyKey", *_PROJECT),
        answers={202: ("MessagePipeBulkSent",)},
        codes=QUEUE_CODES,
        refusal=_MESSAGEPIPE,
    ),
    **_CONFIGURING,
}
