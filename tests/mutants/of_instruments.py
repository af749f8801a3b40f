"""Mutations of the chaos checker: an instrument that detects nothing proves nothing."""

from tests.mutants.mutation import Mutation, tests

_CHECKER = "tests/chaos/checker.py"
_LIVENESS = "tests/chaos/liveness.py"
_LIMITS = "tests/chaos/limits.py"
_CHECKER_TESTS = tests("tests/chaos/test_checker.py")

OF_INSTRUMENTS = (
    Mutation(
        "extra copies are not counted",
        _CHECKER,
        "        if number > allowed:\n",
        "        if number < 0:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "strayed mail is not counted",
        _CHECKER,
        "    found = [*facts.strayed, *facts.bugs]\n",
        "    found = [*facts.bugs]\n",
        _CHECKER_TESTS,
    ),
    Mutation("bugs are not counted", _CHECKER, "[*facts.strayed, *facts.bugs]", "[*facts.strayed]", _CHECKER_TESTS),
    Mutation(
        "a caller may be told of a message that does not exist",
        _CHECKER,
        "    for identity in submission.named - known.keys():\n",
        "    for identity in submission.named - submission.named:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "a caller may be told of a copy that does not exist",
        _CHECKER,
        "        if all(copy.recipient != recipient for copy in before):\n",
        "        if recipient is None:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "a caller may be refused although there is a copy",
        _CHECKER,
        '        if before:\n            yield f"its caller was told {answer.code}, but',
        '        if not answer:\n            yield f"its caller was told {answer.code}, but',
        _CHECKER_TESTS,
    ),
    Mutation(
        "copies by two transports are not counted",
        _CHECKER,
        "        if len(transports) > 1 and not submission.repeats_granted:\n",
        "        if not transports:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "a message may expire while its transport is available",
        _LIVENESS,
        "    return None if idle <= allowed else",
        "    return None if idle else",
        _CHECKER_TESTS,
    ),
    Mutation(
        "what nothing hindered need not be sent",
        _LIVENESS,
        "        if recipient not in first:\n",
        "        if not first and recipient is None:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "an end need not be published",
        _LIVENESS,
        "        if record.state.value not in told:\n",
        "        if told is None:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "a refusal needs no cause",
        _LIVENESS,
        '    return None if is_founded else f"its caller was told {code}, and',
        '    return None if code else f"its caller was told {code}, and',
        _CHECKER_TESTS,
    ),
    Mutation(
        "any number of requests at once is right",
        _LIMITS,
        "        if site.most_active > MAX_CONCURRENT:\n",
        "        if site.most_active < 0:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "a breaker may let everything through",
        _LIMITS,
        "        if early > _TOLERATED:\n",
        "        if early < 0:\n",
        _CHECKER_TESTS,
    ),
    Mutation(
        "an hour's count may be wrong",
        _LIMITS,
        "            if not low <= int(text) <= high:\n",
        "            if not text:\n",
        _CHECKER_TESTS,
    ),
)
