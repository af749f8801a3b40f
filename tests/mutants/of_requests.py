"""Mutations of requests, idempotency keys and answers."""

from tests.mutants.mutation import MAILER, Mutation, chaos, tests

_REPEATED = f"{MAILER}/service/sending/repeated_request.py"
_OUTCOME = f"{MAILER}/service/sending/send_outcome.py"
_RESPONSES = f"{MAILER}/api/emails/responses.py"
_KEY_TESTS = tests("tests/functions/test_send_keys.py", "tests/core/service/sending")

OF_REQUESTS = (
    Mutation(
        "a caller is told of a message that is not recorded",
        f"{MAILER}/service/sending/queue_email.py",
        "    known = _insert(record, key, ports)\n",
        "    known = None\n",
        chaos(),
    ),
    Mutation(
        "every recipient of a sent message is called accepted",
        _RESPONSES,
        "    accepted = accepted_view(verdicts)\n",
        "    accepted = tuple(map(str, verdicts))\n",
        chaos(),
    ),
    Mutation(
        "a key may be used for another message",
        _REPEATED,
        "    if state.is_of_another_request(key):\n        raise KeyReused\n",
        "",
        _KEY_TESTS,
    ),
    Mutation(
        "fingerprints of bodies have no key",
        f"{MAILER}/ledger/idempotency.py",
        'hmac.digest(platform_key.reveal().encode(), content, "sha256").hex()',
        "hashlib.sha256(content).hexdigest()",
        tests("tests/functions/test_send_fingerprints.py"),
    ),
    Mutation(
        "a key is free while its first request is served",
        _REPEATED,
        "State.SENDING}:\n            raise KeyInFlight\n",
        "State.SENDING}:\n            return record.id\n",
        _KEY_TESTS,
    ),
    Mutation(
        "a message that lost its worker is sent again under the same key",
        _REPEATED,
        "            record = _replaced(settle_lost(record, now=now, chance=ports.chance()), ports)\n",
        "            return record.id\n",
        _KEY_TESTS,
    ),
    Mutation(
        "a key starts again although a recipient has a copy",
        _REPEATED,
        "    if record.state is State.FAILED:\n",
        "    if record.state in {State.FAILED, State.PARTIALLY_SENT}:\n",
        _KEY_TESTS,
    ),
    Mutation(
        "a write without an answer is called not accepted",
        f"{MAILER}/service/sending/queue_email.py",
        "        if is_stored:\n            return None\n",
        "",
        tests("tests/core/service/sending/test_accept_emails.py", "tests/functions/test_send_batch.py"),
    ),
    Mutation(
        "a temporary error is stored under the key",
        _OUTCOME,
        "frees_key = isinstance(outcome, MailerError) and outcome.retryable",
        "frees_key = False",
        _KEY_TESTS,
    ),
    Mutation(
        "every outcome frees the key",
        _OUTCOME,
        "frees_key = isinstance(outcome, MailerError) and outcome.retryable",
        "frees_key = True",
        _KEY_TESTS,
    ),
    Mutation(
        "a deferred message of a caller who waits is given up",
        _OUTCOME,
        "    if record.has_content or continued.is_final or not _may_continue(attempted):\n",
        "    if continued:\n",
        chaos(),
    ),
    Mutation(
        "another project's message can be read",
        f"{MAILER}/adapters/aws/table.py",
        '    return _SERVER if project_id is None else f"{_PROJECT}{project_id}"\n',
        "    return _SERVER if project_id is None else _PROJECT\n",
        tests("tests/adapters/ledger"),
    ),
)
