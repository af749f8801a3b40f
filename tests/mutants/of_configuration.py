"""Mutations of the projects' secrets and of the choice of a transport."""

from tests.mutants.mutation import MAILER, Mutation, chaos, tests

_RESOLUTION = f"{MAILER}/secret/resolution.py"
_CACHE = f"{MAILER}/adapters/secret_cache.py"
_PARSER = f"{MAILER}/secret/parser.py"
_EPOCH_TESTS = tests(
    "tests/adapters/aws/test_secret_epochs.py",
    "tests/core/ledger/test_epoch.py",
    "tests/functions/test_changes_at_once.py",
)

OF_CONFIGURATION = (
    Mutation(
        "mail leaves by the server while the secret cannot be read",
        _RESOLUTION,
        "            return ConfigurationUnavailable(reason)\n",
        "            return UseServer(ServerReason.NO_PROJECT_RELAY)\n",
        chaos(),
    ),
    Mutation(
        "mail leaves by the server while the secret is invalid",
        _RESOLUTION,
        "            return ConfigurationInvalid(problems, version_id, is_only_off, is_certainly_on(text.reveal()))\n",
        "            return UseServer(ServerReason.NO_PROJECT_RELAY, (), version_id)\n",
        chaos(),
    ),
    Mutation(
        "a secret without a value means no secret",
        _RESOLUTION,
        "            return ConfigurationInvalid((problem,))\n",
        "            return UseServer(ServerReason.NO_PROJECT_RELAY)\n",
        tests("tests/core/secret"),
    ),
    Mutation(
        "mail that is switched off is sent",
        _PARSER,
        "    if entries.boolean(names.ENABLED) is False:\n",
        "    if entries.boolean(names.ENABLED) is None:\n",
        tests("tests/core/secret"),
    ),
    Mutation(
        "an override is sent although the secret may switch mail off",
        f"{MAILER}/service/sending/demand_sendable.py",
        "        case ConfigurationInvalid(problems, is_certainly_on=False):\n",
        "        case ConfigurationInvalid(problems, is_only_off=True):\n",
        tests("tests/core/secret/test_override.py"),
    ),
    Mutation(
        "a misnamed host beside a log-in is accepted",
        f"{MAILER}/secret/misnamed.py",
        "    return tuple(_find(entries)) if log_in_entries(entries) else ()\n",
        "    return ()\n",
        tests("tests/core/secret/test_misnamed.py"),
    ),
    Mutation(
        "mail that waited for a removed relay leaves by the server",
        f"{MAILER}/ledger/held.py",
        "    return HeldChoice.KEEP if record.own_transport else HeldChoice.SEND\n",
        "    return HeldChoice.SEND\n",
        tests("tests/core/service/sending/test_removed_relay.py"),
    ),
    Mutation(
        "a misspelled event is lost",
        "template.yaml",
        "        detail-type: [{anything-but: *lifecycle-events}]\n",
        "        detail-type: [{anything-but: [UserInvited]}]\n",
        tests("tests/test_template_queues.py", "tests/test_template.py", "tests/test_events.py"),
    ),
    Mutation(
        "a name of the host with two letters exchanged is not recognised",
        f"{MAILER}/secret/spelling.py",
        "                edits = min(edits, before[column - 2] + 1)\n",
        "                pass\n",
        tests("tests/core/secret"),
    ),
    Mutation(
        "an older epoch's reading is used",
        _CACHE,
        "if epoch is not None and epoch.number > slot.epoch.number:",
        "if epoch is not None and epoch.number < slot.epoch.number:",
        _EPOCH_TESTS,
    ),
    Mutation(
        "a cached secret is used while a change is made",
        _CACHE,
        "is_kept = not slot.epoch.is_pending(now=self._clocks.wall())",
        "is_kept = True",
        tests("tests/adapters/aws", "tests/functions/test_changes_at_once.py"),
    ),
    Mutation(
        "an outdated state of the secret store is believed",
        _CACHE,
        "            if not is_outdated(found, epoch, now=self._clocks.wall()):\n",
        "            if found:\n",
        tests("tests/adapters/aws", "tests/functions/test_changes_at_once.py"),
    ),
    Mutation(
        "a version that the secret store stopped returning bridges an outage",
        _CACHE,
        "                slot.known = None\n",
        "                pass\n",
        _EPOCH_TESTS,
    ),
    Mutation(
        "a secret that was absent bridges an outage of the store",
        _CACHE,
        "            and isinstance(last.resolution, UseProjectRelay)\n",
        "",
        tests("tests/adapters/aws/test_secret_cache.py"),
    ),
)
