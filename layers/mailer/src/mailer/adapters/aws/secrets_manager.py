"""The projects' secrets in AWS Secrets Manager, read through a cache.

Two rules. First: only DescribeSecret decides that a secret is absent. GetSecretValue has the same error code for a
secret that does not exist and for a secret without a value. Second: while the store cannot be reached, a secret that
activates a relay is served from the cache for at most 5 minutes. "Absent" is never served in this way, and
`refresh=True` never returns a stale value.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.session import Unanswered, answer, open_client
from mailer.adapters.net.elapsed import Clocks, Moment
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
)

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

CURRENT = "AWSCURRENT"
_CACHE_SECONDS = 60.0
_STALE_SECONDS = 300.0
_UNAVAILABLE_SECONDS = 1.0
_LOGGER = logging.getLogger(__name__)

_NO_VALUE = Problem(
    "secret-without-value", "The project's secret has no value: store its entries, or delete the secret."
)
SCHEDULED_FOR_DELETION = Problem(
    "secret-scheduled-for-deletion",
    "The project's secret is scheduled for deletion: restore it, or delete it without a recovery window.",
)
_BINARY = Problem("secret-binary", "The project's secret is binary: store its entries as key/value pairs.")

_CODES = {
    Unavailability.ACCESS_DENIED: (
        "AccessDenied AccessDeniedException UnauthorizedOperation "
        "CredentialRetrievalError NoCredentialsError PartialCredentialsError"
    ),
    Unavailability.DECRYPTION_FAILED: (
        "DecryptionFailure DecryptionFailureException KMSAccessDeniedException KMSDisabledException "
        "KMSInvalidStateException KMSNotFoundException"
    ),
    Unavailability.TIMEOUT: "RequestTimeout RequestTimeoutException ConnectTimeoutError ReadTimeoutError",
}
_REASON_OF_CODE = {code: reason for reason, codes in _CODES.items() for code in codes.split()}
# A refusal by a policy or a KMS key is not an outage: the operator decided it.
_OUTAGES = frozenset({Unavailability.THROTTLED, Unavailability.TIMEOUT, Unavailability.SERVICE_ERROR})


class SecretsManagerStore:
    """Reads the current version of `{prefix}{project}`; safe to share between threads.

    `chooses_relay` tells whether a secret's text activates a relay. Only such a secret may be served stale: any other
    secret leads to the server transport, like an absent secret. Each project has at most one fetch at a time.
    """

    def __init__(
        self,
        client_factory: Callable[[], "SecretsManagerClient"],
        *,
        prefix: str,
        chooses_relay: Callable[[SecretStr], bool],
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, with two functions only
        capacity: int = 1000,
    ) -> None:
        self._client_factory = client_factory
        self._prefix = prefix
        self._chooses_relay = chooses_relay
        self._clocks = clocks
        self._capacity = capacity
        self._lock = threading.Lock()
        self._slots: OrderedDict[ProjectId, _Slot] = OrderedDict()

    def current(self, project_id: ProjectId, *, deadline: float, refresh: bool = False) -> SecretAnswer:
        """Return the project's secret; the value is at most 60 s old, or new with `refresh`."""
        slot = self._slot(project_id)
        if not slot.lock.acquire(timeout=max(0.0, deadline - self._clocks.monotonic())):
            return SecretUnavailable(Unavailability.TIMEOUT)
        try:
            if not refresh and (cached := self._cached(slot)) is not None:
                return cached
            if self._clocks.monotonic() >= deadline:
                return SecretUnavailable(Unavailability.TIMEOUT)
            found = self._fetch(project_id)
            self._note(slot, found)
            return found if refresh else self._bridge(slot, project_id, found)
        finally:
            slot.lock.release()

    def _slot(self, project_id: ProjectId) -> "_Slot":
        with self._lock:
            # The first slot is the least recently used one. Used slots are fetched again each minute, so its answer is
            # the oldest.
            while self._slots and self._is_too_old(next(iter(self._slots.values()))):
                self._slots.popitem(last=False)
            now = self._clocks.now()
            slot = self._slots.setdefault(project_id, _Slot(answered_at=now, failed_at=now))
            self._slots.move_to_end(project_id)
            if len(self._slots) > self._capacity:
                self._slots.popitem(last=False)
            return slot

    def _is_too_old(self, slot: "_Slot") -> bool:
        return self._clocks.seconds_since(slot.answered_at) > _STALE_SECONDS

    def _cached(self, slot: "_Slot") -> SecretAnswer | None:
        if slot.answer is not None and self._clocks.seconds_since(slot.answered_at) < _CACHE_SECONDS:
            return slot.answer
        if slot.failure is not None and self._clocks.seconds_since(slot.failed_at) < _UNAVAILABLE_SECONDS:
            return self._bridged(slot, slot.failure)
        return None

    def _note(self, slot: "_Slot", found: SecretAnswer) -> None:
        now = self._clocks.now()
        if isinstance(found, SecretUnavailable):
            slot.failure, slot.failed_at = found, now
        else:
            slot.answer, slot.answered_at, slot.failure = found, now, None

    def _bridge(self, slot: "_Slot", project_id: ProjectId, found: SecretAnswer) -> SecretAnswer:
        if not isinstance(found, SecretUnavailable):
            return found
        bridged = self._bridged(slot, found)
        if bridged is not found:
            _LOGGER.warning("a cached secret bridges an outage of the store", extra={"project_id": project_id})
        return bridged

    def _bridged(self, slot: "_Slot", failure: SecretUnavailable) -> SecretAnswer:
        last = slot.answer
        if (
            failure.reason in _OUTAGES
            and isinstance(last, SecretPresent)
            and self._clocks.seconds_since(slot.answered_at) <= _STALE_SECONDS
            and self._chooses_relay(last.text)
        ):
            return last
        return failure

    def _fetch(self, project_id: ProjectId) -> SecretAnswer:
        try:
            return self._read(open_client(self._client_factory), f"{self._prefix}{project_id}")
        except Unanswered as unanswered:
            return SecretUnavailable(_reason(unanswered))

    def _read(self, client: "SecretsManagerClient", name: str) -> SecretAnswer:
        try:
            response = answer(lambda: client.get_secret_value(SecretId=name, VersionStage=CURRENT))
        except Unanswered as unanswered:
            if unanswered.code in {"ResourceNotFoundException", "InvalidRequestException"}:
                return _without_value(client, name)
            raise
        # Any member may be missing: botocore reads a truncated body as an empty one.
        text, version_id = response.get("SecretString"), response.get("VersionId")
        if response.get("Name") != name or not version_id:
            return SecretUnavailable(Unavailability.SERVICE_ERROR)
        if text is not None:
            return SecretPresent(SecretStr(text), version_id)
        if "SecretBinary" in response:
            return SecretUnusable(_BINARY)
        return SecretUnavailable(Unavailability.SERVICE_ERROR)


class _Slot(msgspec.Struct):
    """The cached answer for one project, and the lock for its fetches."""

    answered_at: Moment
    failed_at: Moment
    answer: SecretAnswer | None = None
    failure: SecretUnavailable | None = None
    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)


def _without_value(client: "SecretsManagerClient", name: str) -> SecretAnswer:
    try:
        description = answer(lambda: client.describe_secret(SecretId=name))
    except Unanswered as unanswered:
        if unanswered.code == "ResourceNotFoundException":
            return SecretAbsent()
        raise
    if description.get("Name") != name:
        return SecretUnavailable(Unavailability.SERVICE_ERROR)
    if "DeletedDate" in description:
        return SecretUnusable(SCHEDULED_FOR_DELETION)
    if current_version(description) is not None:
        # The value was written between the two calls, or the store contradicts itself: the next attempt decides.
        return SecretUnavailable(Unavailability.SERVICE_ERROR)
    return SecretUnusable(_NO_VALUE)


def current_version(description: "DescribeSecretResponseTypeDef") -> str | None:
    """Return the id of the version that has the label AWSCURRENT; None if no version has it."""
    stages = description.get("VersionIdsToStages", {})
    return next((version_id for version_id, labels in stages.items() if CURRENT in labels), None)


def _reason(unanswered: Unanswered) -> Unavailability:
    if unanswered.code in _REASON_OF_CODE:
        return _REASON_OF_CODE[unanswered.code]
    if unanswered.is_unauthenticated:
        return Unavailability.ACCESS_DENIED
    return Unavailability.THROTTLED if unanswered.is_throttled else Unavailability.SERVICE_ERROR
