"""`forget`: erase what is kept about an address in a project, or in the platform's own e-mails."""

import argparse

from project_smtp_cli.answers import Forgotten
from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, to_minute


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Erase the address, and show what remains and until when."""
    api = Api(context.service(arguments), None) if arguments.platform else context.api(arguments)
    erased = cancelled = waiting = 0
    cursor = ""
    while True:
        body: Document = {"address": arguments.address} | ({"cursor": cursor} if cursor else {})
        part = Forgotten.model_validate(api.post("emails/forget", body).document)
        erased, cancelled, waiting = erased + part.erased, cancelled + part.cancelled, waiting + part.waiting
        if not part.cursor:
            break
        cursor = part.cursor
    document: Document = {
        "erased": erased,
        "cancelled": cancelled,
        "waiting": waiting,
        "remains": [each.model_dump() for each in part.remains],
    }

    def show(screen: Screen) -> None:
        screen.fields((("erased", str(erased)), ("cancelled", str(cancelled)), ("waiting", str(waiting))))
        screen.table(
            ("what remains", "until (UTC)", ""),
            [(each.data, to_minute(each.until), each.detail) for each in part.remains],
        )
        if waiting:
            screen.note("Some messages are being sent, or wait for other recipients. Run the command again later.")

    return Result(Exit.CHECK_FAILED if waiting else Exit.OK, document, show)
