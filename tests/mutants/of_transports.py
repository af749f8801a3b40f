"""Mutations of attempts, of failover, and of the SMTP conversation."""

from tests.mutants.mutation import MAILER, Mutation, chaos, tests

_ATTEMPT = f"{MAILER}/service/sending/attempt.py"
_FAILOVER_TESTS = tests("tests/core/service/sending/test_failover.py")

OF_TRANSPORTS = (
    Mutation(
        "the message leaves although its mark was not written",
        _ATTEMPT,
        "        self.record = self.ports.ledger.replace(record)\n",
        "        self.record = record\n",
        chaos(),
    ),
    Mutation(
        "the backup also gets the recipients that the first provider has served",
        _ATTEMPT,
        "            recipients = recipients_at(self.record, target.place)\n",
        "            recipients = tuple(each.address for each in self.record.recipients)\n",
        tests("tests/core/service/sending/test_failover.py"),
    ),
    Mutation(
        "a repeated message may go to another provider",
        f"{MAILER}/ledger/recipients.py",
        "(each.possible_copy is None or each.possible_copy.place == place)",
        "place",
        tests("tests/core/service/sending"),
    ),
    Mutation(
        "a diverted message goes to its recipients",
        _ATTEMPT,
        "            recipients=recipients if diverted_to is None else (diverted_to,),\n",
        "            recipients=recipients,\n",
        tests("tests/core/service/sending", "tests/core/message/test_stage.py"),
    ),
    Mutation(
        "credentials are not read again after 535",
        _ATTEMPT,
        "        if route.is_override or self.has_read_again or not _credentials_rejected(last.result):\n",
        "        if route:\n",
        tests("tests/core/service/sending"),
    ),
    Mutation(
        "a 4yz reply is a final rejection",
        f"{MAILER}/smtp/verdict.py",
        "    if reply.is_transient or is_recipient_limit(reply):\n        return Deferred(failure)\n",
        "    if reply.is_transient or is_recipient_limit(reply):\n        return Rejected(failure)\n",
        tests("tests/core/smtp/test_verdict.py"),
    ),
    Mutation(
        "534 outside AUTH asks for a login",
        f"{MAILER}/smtp/refused.py",
        "    return code == LOGIN_REQUIRED or (phase is Phase.MAIL and code == LOGIN_REJECTED)\n",
        "    return code in (LOGIN_REQUIRED, 534) or (phase is Phase.MAIL and code == LOGIN_REJECTED)\n",
        tests("tests/core/smtp"),
    ),
    Mutation(
        "a surplus reply is ignored",
        f"{MAILER}/smtp/reply_order.py",
        "        return is_envelope_known and _worded(final) == self.final\n",
        "        return True\n",
        tests("tests/core/smtp/test_reply_order.py", "tests/adapters/smtp/test_one_flight.py"),
    ),
    Mutation(
        "one flight to a relay that is not known",
        f"{MAILER}/adapters/smtp/proven.py",
        "        return self._wordings.get(hash(key))\n",
        '        return Wording("", frozenset(), "")\n',
        tests("tests/adapters/smtp/test_one_flight.py"),
    ),
    Mutation(
        "a limit of recipients is a rejection",
        f"{MAILER}/smtp/recipient_limit.py",
        "    return names_limit and (may_be_limit or reply.code == _TOO_MANY_IN_RFC_821)\n",
        "    return False\n",
        tests("tests/core/smtp", "tests/adapters/smtp/test_recipient_limits.py"),
    ),
    Mutation(
        "dots at the beginning of lines are not doubled",
        f"{MAILER}/smtp/dot_stuffing.py",
        'chunk.replace(b"\\r\\n.", b"\\r\\n..") if b"." in chunk else chunk',
        "chunk",
        tests("tests/core/smtp", "tests/adapters/smtp/test_withheld_end.py"),
    ),
)
