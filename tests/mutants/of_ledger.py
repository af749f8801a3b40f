"""Mutations of the lifecycle and of the ledger: messages are lost, doubled or forgotten."""

from tests.mutants.mutation import MAILER, Mutation, chaos, tests

_LIFECYCLE = f"{MAILER}/ledger/lifecycle.py"
_RECIPIENTS = f"{MAILER}/ledger/recipients.py"
_LEDGER = f"{MAILER}/adapters/aws/ledger.py"

OF_LEDGER = (
    Mutation(
        "every message that waits expires",
        _LIFECYCLE,
        "case _ if now >= record.expires_at:",
        "case _ if True:",
        chaos(),
    ),
    Mutation(
        "a message that may have left is sent again after its worker is lost",
        _LIFECYCLE,
        "return Assessment.LOST if is_due else Assessment.WAIT",
        "return Assessment.READY if is_due else Assessment.WAIT",
        chaos(harsh=True),
    ),
    Mutation(
        "an unknown outcome is repeated for a caller who did not ask for it",
        _RECIPIENTS,
        "due = repeat_at if record.on_unknown is OnUnknown.RETRY else None",
        "due = repeat_at",
        chaos(),
    ),
    Mutation(
        "an unknown outcome is repeated again and again",
        _RECIPIENTS,
        "if not isinstance(merged, Unknown) or recipient.possible_copy is not None:",
        "if not isinstance(merged, Unknown):",
        tests("tests/core/ledger"),
    ),
    Mutation(
        "a recipient that a backup could not take is given up",
        _RECIPIENTS,
        "return new if known is None or _weight(new) >= _weight(known) else known",
        "return new",
        tests("tests/core/service/sending/test_failover.py", "tests/core/ledger"),
    ),
    Mutation(
        "the outcome is written once only",
        f"{MAILER}/service/sending/write_outcome.py",
        "        if ports.clock() + pause >= record_by:\n",
        "        if pause:\n",
        tests("tests/core/service/sending"),
    ),
    Mutation(
        "another worker's write is overwritten by an outcome",
        f"{MAILER}/service/sending/write_outcome.py",
        "            if found != unconfirmed:\n                raise WriteConflict\n",
        "",
        tests("tests/core/service/sending"),
    ),
    Mutation(
        "the SENDING mark does not change the state",
        _LIFECYCLE,
        "        state=State.SENDING,\n",
        "        state=State.CLAIMED,\n",
        chaos(harsh=True),
    ),
    Mutation(
        "a held message is cancelled",
        _LIFECYCLE,
        "return replace(record, state=State.HELD, updated_at=now,",
        "return replace(record, state=State.CANCELLED, updated_at=now,",
        chaos(),
    ),
    Mutation(
        "the waiting times after a deferral are 1,000 times longer",
        _LIFECYCLE,
        "_STEPS = (60.0, 300.0, 1800.0, 7200.0)",
        "_STEPS = (60000.0, 300000.0, 1800000.0, 7200000.0)",
        chaos(),
    ),
    Mutation(
        "the sweep waits 1,000 times longer for a lost queue entry",
        _LIFECYCLE,
        "QUEUE_GUARD_SECONDS = 300.0",
        "QUEUE_GUARD_SECONDS = 300_000.0",
        tests("tests/core/ledger", "tests/core/service/sending/test_sweep.py"),
    ),
    Mutation(
        "a message that crashes its workers is tried for ever",
        _LIFECYCLE,
        "return Assessment.CRASHING if record.claims >= MAX_CLAIMS else Assessment.READY",
        "return Assessment.READY",
        tests("tests/core/ledger/test_lifecycle.py"),
    ),
    Mutation(
        "an unknown recipient is tried again as if it was deferred",
        _RECIPIENTS,
        "RelayError():\n            return True\n        case Accepted() | Rejected() | Unknown():",
        "RelayError() | Unknown():\n            return True\n        case Accepted() | Rejected():",
        chaos(),
    ),
    Mutation(
        "the last writer of a record wins",
        _LEDGER,
        '"revision = :revision"',
        '"revision >= :revision OR revision < :revision"',
        chaos(events=1500),
    ),
    Mutation(
        "a key does not stop a second request at the same time",
        _LEDGER,
        'condition = f"{_NOT_THERE} OR expires_at <= :now"',
        'condition = f"{_NOT_THERE} OR expires_at <= :now OR expires_at > :now"',
        tests("tests/adapters/ledger/test_ledger_contract.py"),
    ),
    Mutation(
        "the ledger takes its own repeated write for a conflict",
        f"{MAILER}/adapters/aws/table.py",
        "if not any(item is not None and item.get(WRITTEN_BY) == token for item in refused.met.values()):",
        "if True:",
        tests("tests/adapters/ledger/test_ledger_failures.py"),
    ),
    Mutation(
        "the sweep finds nothing",
        _LEDGER,
        'condition = "due_shard = :shard AND due_at <= :now"',
        'condition = "due_shard = :shard AND due_at < :now AND due_at > :now"',
        chaos(),
    ),
    Mutation(
        "the sweep calls no worker",
        f"{MAILER}/service/sending/sweep.py",
        "        ports.queue.send(deliveries)\n",
        "        pass\n",
        chaos(),
    ),
    Mutation(
        "a released message gets no worker",
        f"{MAILER}/service/sending/release_held.py",
        "        ports.queue.send(release.deliveries)\n",
        "",
        tests("tests/core/service/sending", "tests/functions/test_validate_secrets.py"),
    ),
    Mutation(
        "nothing is published about a message",
        f"{MAILER}/ports.py",
        "if (event := email_event(record)) is not None:",
        "if (event := email_event(record)) is not None and record.id == event.name:",
        chaos(),
    ),
    Mutation(
        "a cancelled message is not published",
        f"{MAILER}/ledger/event.py",
        "    State.CANCELLED: EventName.EMAIL_CANCELLED,\n",
        "",
        tests("tests/core/ledger/test_event.py"),
    ),
)
