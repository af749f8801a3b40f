"""Mutations of the relay gate and of the limits."""

from tests.mutants.mutation import MAILER, Mutation, chaos, tests

_BREAKER = f"{MAILER}/ledger/breaker.py"
_GATE = f"{MAILER}/service/sending/relay_gate.py"
_SEND = f"{MAILER}/service/sending/send_email.py"
_BREAKER_TESTS = tests("tests/core/ledger/test_breaker.py", "tests/core/service/sending/test_deliver_relay_gate.py")

OF_LIMITS = (
    Mutation(
        "a relay gets any number of messages at once",
        _BREAKER,
        "MAX_SLOTS = 5\n",
        "MAX_SLOTS = 5000\n",
        chaos(),
    ),
    Mutation(
        "a breaker opens after 1,000 times as many failures",
        _BREAKER,
        "FAILURES_TO_OPEN = 5\n",
        "FAILURES_TO_OPEN = 5000\n",
        chaos(),
    ),
    Mutation(
        "the first pause is 1,000 times longer",
        _BREAKER,
        "_FIRST_PAUSE_SECONDS = 60.0",
        "_FIRST_PAUSE_SECONDS = 60_000.0",
        _BREAKER_TESTS,
    ),
    Mutation(
        "the longest pause is 1,000 times longer",
        _BREAKER,
        "_LONGEST_PAUSE_SECONDS = 900.0",
        "_LONGEST_PAUSE_SECONDS = 900_000.0",
        _BREAKER_TESTS,
    ),
    Mutation(
        "an open breaker admits every request",
        _BREAKER,
        "    if current.open_until > now:\n",
        "    if current.open_until < 0:\n",
        _BREAKER_TESTS,
    ),
    Mutation(
        "a new version of the secret finds the old breaker",
        _BREAKER,
        "        current, slots = BreakerState(request.version_id, leases=leases), MAX_SLOTS\n",
        "        current = replace(current, version_id=request.version_id)\n",
        _BREAKER_TESTS,
    ),
    Mutation(
        "a slot is never freed",
        _GATE,
        "        self._leave_slot(entered)\n",
        "",
        chaos(),
    ),
    Mutation(
        "callers who wait pass no gate",
        _SEND,
        "if isinstance(decision.route, ByProviders) and not self.ports.settings.stage.suppresses:",
        "if isinstance(decision.route, ByProviders) and not self.ports:",
        tests("tests/core/service/sending/test_send_relay_gate.py"),
    ),
    Mutation(
        "a refused message still counts for the operator's limits",
        _SEND,
        "    except MailerError:\n        quota.give_back()\n        raise\n",
        "    except MailerError:\n        raise\n",
        chaos(),
    ),
    Mutation(
        "what a relay did not take still counts for its daily limit",
        _GATE,
        "        self._counter.give_back(entered.taken, min(unused, entered.taken.amount))\n",
        "",
        tests("tests/core/service/sending"),
    ),
    Mutation(
        "a relay's daily limit stops nothing",
        _GATE,
        "is_enforced=self._pass.enforces_quota",
        "is_enforced=False",
        chaos(),
    ),
    Mutation(
        "the operator's limits stop nothing",
        f"{MAILER}/service/sending/quota.py",
        "        if isinstance(taken, QuotaStatus):\n            raise LimitReached(taken, asked_for=recipients)\n",
        "        if isinstance(taken, QuotaStatus):\n            return\n",
        tests("tests/core/service/sending/test_send_limits.py", "tests/functions/test_send_limits.py"),
    ),
    Mutation(
        "a busy relay passes its messages to the backup",
        _GATE,
        " and self._pass.waits < PATIENT_WAITS\n",
        " and self._pass.waits < 0\n",
        tests("tests/core/service/sending"),
    ),
)
