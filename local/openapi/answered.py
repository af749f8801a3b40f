"""What answers hold, in the words of the code that writes them."""

from collections.abc import Mapping

from mailer.api.emails.batch import MAX_BATCH
from mailer.api.emails.query import ID_PATTERN, MAX_LIMIT, STATUSES
from mailer.api.problems import STATUS
from mailer.ledger.record import AttemptResult, State
from mailer.relay.provider import ProviderKind
from mailer.secret.provider.registry import MAX_PRIORITY
from mailer.secret.provider.schema import PROVIDER_SCHEMAS
from mailer.secret.resolution import ServerReason
from mailer.secret.sender import FromReason
from mailer.service.configuring.check_configuration import CheckName, CheckStatus
from mailer.service.configuring.show_configuration import ConfigurationState
from mailer.service.sending.decide import TransportName
from mailer.smtp.outcome import Cause, Phase

from local.openapi.shape import (
    Schema,
    a_time,
    choice,
    flag,
    free_object,
    nullable,
    pattern_of,
    ref,
    several,
    shown,
    text,
    whole,
)

INTERNAL_ERROR = "internal-error"
ERROR_CODES = (*STATUS, INTERNAL_ERROR)
ERROR_CODE = choice(ERROR_CODES, "See docs/problems.md.")

_RECIPIENT_STATUSES = ("pending", "accepted", "diverted", "rejected", "deferred", "unknown", "error")
# What an answer to sending may say: the rest is for history.
_OUTCOMES = tuple(state for state in STATUSES if state is not State.HELD)
_TRANSPORTS = nullable(choice(TransportName, "null before the first attempt."))
_REPLY: Mapping[str, Schema] = {
    "code": nullable(whole("The reply's code.")),
    "enhanced_code": nullable(text()),
}
_STAGE: Mapping[str, Schema] = {
    "diverted_to": text("On a stage that is not production: who gets the message instead."),
    "suppressed": flag("On a stage where no message leaves."),
}
_FAILOVERS = several(ref("Failover"), "Providers that were passed over for the next.")

_SUMMARY: Mapping[str, Schema] = {
    "id": ref("EmailId"),
    "status": choice(STATUSES),
    "transport": nullable(text("null before the first attempt.")),
    "message_id": nullable(text()),
    "created_at": a_time(),
    "updated_at": a_time(),
    "expires_at": a_time(),
    "next_attempt_at": nullable(a_time()),
    "reason": nullable(text()),
    "type": nullable(text("The detail-type of the event that a system e-mail comes from.")),
    "request_id": nullable(text("That event's requestId.")),
    "count": whole("How many copies were accepted."),
    "diverted_to": _STAGE["diverted_to"],
    "tags": several(shown({"name": text(), "value": text()})),
    "failovers": _FAILOVERS,
}
_STORED: Mapping[str, Schema] = {
    **_SUMMARY,
    "from": nullable(ref("From")),
    "recipients": several(
        shown({"recipient": text(), "status": choice(_RECIPIENT_STATUSES), **_REPLY, "detail": nullable(text())})
    ),
    "attempts": several(
        shown(
            {
                "at": a_time(),
                "transport": text(),
                "provider": nullable(text()),
                "version_id": nullable(text()),
                "result": nullable(choice(AttemptResult)),
                "phase": nullable(choice(Phase)),
                "cause": nullable(choice(Cause)),
                **_REPLY,
                "reply": nullable(text()),
            }
        )
    ),
}
_RARE = ("diverted_to", "failovers")

_TEMPLATE_SUMMARY: Mapping[str, Schema] = {"name": text(), "etag": text(), "updated_at": a_time()}
_SHOWN_MAILBOX = shown({"email": text(), "name": nullable(text())})

PROVIDER: Mapping[str, Schema] = {
    "id": text(),
    "provider": choice(ProviderKind),
    "name": text(),
    "enabled": flag(),
    "priority": whole(maximum=MAX_PRIORITY),
    "config": free_object('Without secrets: {"set": true} stands for one.'),
    "createdAt": a_time(),
    "updatedAt": a_time(),
}

_PROBLEM: Mapping[str, Schema] = {
    "type": text("/problems/ and the code."),
    "title": text(),
    "status": whole(minimum=400, maximum=599),
    "detail": text("What is wrong and what to do; never a value."),
    "instance": text("The request's id."),
    "code": ERROR_CODE,
    "retryable": flag("Whether the same request may succeed later."),
    "problems": several(ref("ProblemPlace")),
    "smtp": ref("SmtpFailure"),
    "diverted_to": _STAGE["diverted_to"],
    "failovers": _FAILOVERS,
    "rejected": several(ref("RefusedRecipient")),
    "deferred": several(ref("RefusedRecipient")),
    "checks": several(ref("Check"), "Where a change of the configuration was examined first."),
}

SCHEMAS: Mapping[str, Schema] = {
    "EmailId": {"type": "string", "pattern": pattern_of(ID_PATTERN)},
    "From": shown(
        {
            "requested": nullable(text("What the request asked for.")),
            "used": text("What the message has."),
            "reason": choice(FromReason),
        }
    ),
    "Failover": shown(
        {
            "provider": nullable(text()),
            "result": nullable(choice(AttemptResult)),
            "cause": nullable(choice(Cause)),
            "code": nullable(whole()),
        }
    ),
    "RefusedRecipient": shown({"recipient": text(), **_REPLY, "detail": text()}),
    "SentEmail": shown(
        {
            "id": ref("EmailId"),
            "status": choice(_OUTCOMES),
            "transport": _TRANSPORTS,
            "message_id": nullable(text()),
            "from": nullable(ref("From")),
            "accepted": several(text()),
            "rejected": several(ref("RefusedRecipient")),
            "deferred": several(ref("RefusedRecipient"), "Not tried again where next_attempt_at is null."),
            "count": whole("How many copies were accepted."),
            "next_attempt_at": nullable(a_time()),
            "failovers": _FAILOVERS,
            "diverted_to": _STAGE["diverted_to"],
            "diverted": several(text()),
            "unknown": several(ref("RefusedRecipient"), "Whose copy may or may not have been accepted."),
        },
        optional=("failovers", "diverted_to", "diverted", "unknown"),
    ),
    "QueuedEmail": shown(
        {
            "id": ref("EmailId"),
            "status": choice((State.QUEUED,)),
            "transport": choice(TransportName),
            "message_id": {"type": "null"},
            "from": ref("From"),
            "count": whole(maximum=0),
            **_STAGE,
        },
        optional=tuple(_STAGE),
    ),
    "AcceptedBatch": shown(
        {
            "emails": several(
                {
                    "anyOf": [
                        shown(
                            {"id": ref("EmailId"), "status": choice((State.QUEUED,)), **_STAGE}, optional=tuple(_STAGE)
                        ),
                        shown({"id": {"type": "null"}, "status": choice(("not_accepted",)), "code": choice(STATUS)}),
                    ]
                },
                maximum=MAX_BATCH,
            ),
            "count": whole("How many are queued.", maximum=MAX_BATCH),
        }
    ),
    "Explanation": {
        "anyOf": [
            shown(
                {
                    "would_send": {"const": True},
                    "transport": choice(TransportName),
                    "reason": choice((*ServerReason, "project-relay")),
                    "version_id": text(),
                    "from": ref("From"),
                    "reply_to": several(text()),
                    "envelope_sender": text(),
                    "recipients": several(text()),
                    "size": whole("Octets."),
                    **_STAGE,
                    "warnings": several(ref("ProblemPlace")),
                    "problems": several(ref("ProblemPlace"), maximum=0),
                },
                optional=("version_id", *_STAGE),
            ),
            shown(
                {
                    "would_send": {"const": False},
                    "status": whole(minimum=400, maximum=599),
                    "problem": ref("Problem"),
                    "warnings": several(ref("ProblemPlace")),
                    "problems": several(ref("ProblemPlace")),
                }
            ),
        ]
    },
    "Email": shown(_STORED, optional=_RARE),
    "RetriedEmail": shown(
        {**_STORED, "may_duplicate": {"const": True, "description": "Somebody may have the message already."}},
        optional=(*_RARE, "may_duplicate"),
    ),
    "EmailPage": shown(
        {
            "emails": several(shown({**_SUMMARY, "recipient_count": whole()}, optional=_RARE), maximum=MAX_LIMIT),
            "cursor": nullable(text("That of the next page.")),
        }
    ),
    "Configuration": shown(
        {
            "state": choice(ConfigurationState),
            "version_id": nullable(text()),
            "checked_at": nullable(a_time()),
            "held": nullable(whole("Messages that wait for the configuration to be right.")),
            "entries": free_object('The entries; hidden ones as {"set": true}.'),
            "problems": several(ref("ProblemPlace")),
            "warnings": several(ref("ProblemPlace")),
        }
    ),
    "Check": shown(
        {
            "name": choice(CheckName),
            "status": choice(CheckStatus),
            "provider": text("Where there is more than the relay of the flat entries."),
            "reason": text(),
            "remedy": text(),
            "entry": text(),
            "problems": several(ref("ProblemPlace")),
            "smtp": ref("SmtpFailure"),
        },
        optional=("provider", "reason", "remedy", "entry", "problems", "smtp"),
    ),
    "Examination": shown(
        {
            "valid": nullable(flag("null where there is nobody to ask.")),
            "version_id": nullable(text()),
            "checks": several(ref("Check")),
            "warnings": several(ref("ProblemPlace")),
        }
    ),
    "Provider": shown(
        PROVIDER,
        optional=("name", "enabled", "createdAt", "updatedAt"),
    ),
    "Providers": shown({"version_id": nullable(text()), "providers": several(ref("Provider"))}),
    "RemovedProvider": shown(
        {"id": text(), "removed": {"const": True}, "state": choice(ConfigurationState), "version_id": nullable(text())}
    ),
    "ProviderSchemas": shown({"schemas": shown({kind: free_object("JSON Schema.") for kind in PROVIDER_SCHEMAS})}),
    "ProviderSchema": free_object("JSON Schema (2020-12) of the provider's config."),
    "Template": shown(
        {
            **_TEMPLATE_SUMMARY,
            "subject": nullable(text()),
            "text": nullable(text()),
            "html": nullable(text()),
            "from": {"anyOf": [_SHOWN_MAILBOX, shown({"name": text()}), {"type": "null"}]},
            "reply_to": several(_SHOWN_MAILBOX),
            "defaults": free_object("Values for placeholders."),
            "placeholders": several(text(), "What it has placeholders for."),
        }
    ),
    "RemovedTemplate": shown({"name": text(), "removed": {"const": True}}),
    "TemplatePage": shown(
        {
            "templates": several(shown(_TEMPLATE_SUMMARY), maximum=MAX_LIMIT),
            "cursor": nullable(text("That of the next page.")),
        }
    ),
    "ProblemPlace": shown(
        {
            "code": text(),
            "detail": text("The remedy."),
            "entry": text("The entry of the secret."),
            "pointer": text("The place in the body, as a JSON pointer."),
            "parameter": text("The query parameter."),
        },
        optional=("entry", "pointer", "parameter"),
    ),
    "SmtpFailure": shown(
        {"phase": choice(Phase), "cause": choice(Cause), **_REPLY, "reply": text("The relay's own words.")},
        optional=(*_REPLY, "reply"),
    ),
    "Problem": shown(
        _PROBLEM,
        optional=("problems", "smtp", "diverted_to", "failovers", "rejected", "deferred", "checks"),
        description="RFC 9457.",
    ),
    "GatewayError": shown({"message": text()}, description="What the gateway itself refuses."),
}
