"""The story of the service, told on a stack of its own: every claim is checked, and the last line counts them.

Each chapter makes requests as any caller would and looks at what the relay and SES really received.
"""

import tempfile
import time
from collections.abc import Mapping

from local import demo_deliveries, demo_transports
from local.option import read_options
from local.stack import running_stack
from local.story import Story, say

_ENDING = """
`make run` keeps such a stack up and prints its addresses; its inbox shows the messages as a reader sees them.
`docs/secret.md` says what a project admin types into the AWS console."""


def tell_story(environment: Mapping[str, str]) -> int:
    """Start a stack on free ports, tell the story, stop the stack; 0 only if every claim was true."""
    began = time.monotonic()
    say("A project's mail leaves by the transport its project chose, or it does not leave.")
    with tempfile.TemporaryDirectory() as directory:
        # The operator's settings are left at their defaults: with others, another story would be true.
        ports = {name: environment.get(name, "0") for name in ("API_PORT", "AWS_PORT")}
        options = read_options({**ports, "LOCAL_DIR": directory})
        with running_stack(options) as stack:
            seconds = time.monotonic() - began
            say(f"The embedded stack is up after {seconds:.1f} s; nothing leaves this machine.")
            story = Story(stack)
            for chapter in (*demo_transports.CHAPTERS, *demo_deliveries.CHAPTERS):
                chapter(story)
            say(_ENDING)
    return story.end(time.monotonic() - began)
