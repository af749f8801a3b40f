"""`python -m local <command>`: run the embedded stack or its demo, put an event on the bus, or issue a token.

`openapi` and `schemas` need no stack: they write the API's description and the events' schemas.
"""

import argparse
import os
import signal
import sys
import threading
from types import FrameType

from mailer.settings import InvalidSettings

from local.option import ROOT, InvalidOption, Options, read_options, state_directory
from local.parent import make_was_interrupted
from local.state import FUNCTION_LOG, STATE_FILE, Stack, load_signing_key, read_state
from local.token import DEFAULT_LIFETIME_SECONDS

_BAD_USAGE = 2
_INTERRUPTED = 130
_PARENT_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="keep the stack up until interrupted")
    commands.add_parser("demo", help="start a stack, show what it does, and stop it")
    commands.add_parser("openapi", help="write the API's description, docs/openapi.json")
    commands.add_parser("schemas", help="write the schemas of all events, in docs/events/ and in the template")
    commands.add_parser("sam-env", help="let `sam local` reach the running stack")
    event = commands.add_parser("event", help="put an event on the running stack's bus, as an identity service does")
    event.add_argument("detail_type", help="for instance PasswordResetRequested")
    event.add_argument("detail", help="the event's detail, as JSON")
    token = commands.add_parser("token", help="print a bearer token for the running stack")
    token.add_argument("--project", required=True, help="the project's id, or * for the operator")
    token.add_argument("--scope", required=True, help='scopes separated by spaces, for instance "email:send"')
    token.add_argument("--lifetime", type=int, default=DEFAULT_LIFETIME_SECONDS, help="seconds (default: a day)")
    chosen = parser.parse_args(arguments)
    if chosen.command == "token":
        return _token(chosen.project, chosen.scope, chosen.lifetime)
    if chosen.command == "openapi":
        return _openapi()
    if chosen.command == "schemas":
        return _schemas()
    if chosen.command == "sam-env":
        return _sam_env()
    if chosen.command == "event":
        return _event(chosen.detail_type, chosen.detail)
    _interrupt_on(signal.SIGINT, signal.SIGTERM)
    try:
        return _with_stack(chosen.command)
    except KeyboardInterrupt:
        return 0 if chosen.command == "run" else _INTERRUPTED


def _token(project_id: str, scope: str, lifetime_seconds: int) -> int:
    try:
        key = load_signing_key(state_directory(os.environ))
    except FileNotFoundError:
        print("No stack is running here: start one with `make run`.", file=sys.stderr)
        return _BAD_USAGE
    print(key.issue(project_id=project_id, scope=scope, lifetime_seconds=lifetime_seconds))
    return 0


def _openapi() -> int:
    from local.openapi.document import render  # noqa: PLC0415 -- issuing a token does not need samtranslator
    from local.template import read_template  # noqa: PLC0415 -- as above

    (ROOT / "docs/openapi.json").write_text(render(read_template(ROOT / "template.yaml")), encoding="utf-8")
    return 0


def _schemas() -> int:
    from local.event_schemas import write_schemas  # noqa: PLC0415 -- issuing a token does not wait for pydantic

    write_schemas(ROOT)
    return 0


def _sam_env() -> int:
    from local import sam_local  # noqa: PLC0415 -- issuing a token does not need moto and boto3

    directory = state_directory(os.environ)
    try:
        path = sam_local.prepare(read_state(directory), directory)
    except FileNotFoundError:
        print("No stack is running here: start one with `BIND_ADDRESS=0.0.0.0 make run`.", file=sys.stderr)
        return _BAD_USAGE
    print(f"Written: {path}")
    return 0


def _event(detail_type: str, detail: str) -> int:
    from botocore.exceptions import EndpointConnectionError  # noqa: PLC0415 -- as above

    from local.cloud import make_client  # noqa: PLC0415 -- as above

    try:
        stack = read_state(state_directory(os.environ))
    except FileNotFoundError:
        print("No stack is running here: start one with `make run`.", file=sys.stderr)
        return _BAD_USAGE
    event = {"EventBusName": stack.event_bus, "Source": "identity", "DetailType": detail_type, "Detail": detail}
    try:
        (entry,) = make_client("events", stack.aws_endpoint_url).put_events(Entries=[event])["Entries"]
    except EndpointConnectionError:
        # A stack that is killed cannot remove its state file.
        print("The stack that ran here has ended: start one with `make run`.", file=sys.stderr)
        return _BAD_USAGE
    if "ErrorCode" in entry:
        print(f"The bus refused the event: {entry['ErrorMessage']}", file=sys.stderr)
        return _BAD_USAGE
    print(entry["EventId"])
    return 0


def _with_stack(command: str) -> int:
    from local.demo import run_demo  # noqa: PLC0415 -- issuing a token does not need moto and boto3
    from local.environment import FunctionDidNotStart  # noqa: PLC0415 -- as above
    from local.stack import running_stack  # noqa: PLC0415 -- as above

    try:
        if command == "demo":
            return run_demo(os.environ)
        options = read_options(os.environ)
        with running_stack(options) as stack:
            print(_ready(stack, options), flush=True)
            never = threading.Event()
            while not make_was_interrupted():
                never.wait(_PARENT_SECONDS)
    except InvalidOption as invalid:
        print(f"The stack cannot start. {invalid}", file=sys.stderr)
        return _BAD_USAGE
    except InvalidSettings as invalid:
        print("The stack cannot start: these settings are invalid.", file=sys.stderr)
        for problem in invalid.problems:
            print(f"  {problem.entry}: {problem.detail}", file=sys.stderr)
        return _BAD_USAGE
    except FunctionDidNotStart as failed:
        print(f"The stack cannot start. {failed}", file=sys.stderr)
        return _BAD_USAGE
    except OSError as taken:
        print(
            f"The stack cannot start: {taken}. API_PORT and AWS_PORT choose ports; 0 means a free one.", file=sys.stderr
        )
        return _BAD_USAGE
    return 0


def _ready(stack: Stack, options: Options) -> str:
    return f"""The stack is ready.

  API      {stack.api_url}/v1/projects/{{projectId}}/emails
  Inbox    {stack.inbox_url}  (what the relay and SES received)
  AWS      {stack.aws_endpoint_url}  (moto: Secrets Manager, SES, EventBridge, SQS, DynamoDB, S3)
  Relay    {stack.relay.host}, port {stack.relay.starttls_port} with STARTTLS, {stack.relay.tls_port} with implicit TLS
  State    {options.directory / STATE_FILE}  (tokens for operator, acme, plain and broken)
  Logs     {options.directory / FUNCTION_LOG}

Send a message as the project acme, which has a relay of its own:

  TOKEN=$(.venv/bin/python -m local token --project acme --scope "email:send")
  curl -i {stack.api_url}/v1/projects/acme/emails \\
    -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"to": "you@example.com", "subject": "Hello", "text": "It works."}}'

Then try the projects plain (no secret: the server's SES) and broken (nothing is sent). The relay defers recipients
at deferred.example and rejects those at refused.example.

Put an event, as an identity service does, and acme's user gets a system e-mail (for the project broken it is held until
the secret is corrected):

  .venv/bin/python -m local event PasswordResetRequested '{{"requestId": "reset-1", "projectId": "acme",
    "user": {{"email": "ada@example.com"}}, "link": "https://app.platform.example/reset"}}'

Ctrl-C stops everything. With CLOCK_SECONDS=5 a minute of the schedules takes five seconds.
A second stack needs its own folder and ports: LOCAL_DIR=.local/second API_PORT=0 AWS_PORT=0 make run"""


def _interrupt_on(*signals: signal.Signals) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        # A second signal must not interrupt the shutdown.
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    # The handlers are set explicitly, because a shell starts background jobs with SIGINT ignored.
    for each in signals:
        signal.signal(each, interrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
