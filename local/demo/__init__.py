"""The demo: it starts its own stack, shows what the service does, and checks and counts every claim.

Each section makes requests as an API caller does and compares the answers with what the relay and SES received.
"""

import tempfile
import time
from collections.abc import Mapping

from local.demo import deliveries, transports
from local.demo.report import Demo, echo
from local.option import read_options
from local.stack import running_stack

_ENDING = """
`make run` starts such a stack, prints its addresses and keeps it up; its inbox page shows the messages.
`docs/secret.md` describes the entries that a project admin types into the AWS console."""


def run_demo(environment: Mapping[str, str]) -> int:
    """Start a stack on free ports, run all sections, stop the stack; return 0 only if every claim was true."""
    began = time.monotonic()
    echo("A project's mail leaves by the transport its project chose, or it does not leave.")
    with tempfile.TemporaryDirectory() as directory:
        # The operator's settings keep their defaults, because the claims depend on them.
        ports = {name: environment.get(name, "0") for name in ("API_PORT", "AWS_PORT")}
        options = read_options({**ports, "LOCAL_DIR": directory})
        with running_stack(options) as stack:
            seconds = time.monotonic() - began
            echo(f"The embedded stack is up after {seconds:.1f} s; nothing leaves this machine.")
            demo = Demo(stack)
            for run_section in (*transports.SECTIONS, *deliveries.SECTIONS):
                run_section(demo)
            echo(_ENDING)
    return demo.finish(time.monotonic() - began)
