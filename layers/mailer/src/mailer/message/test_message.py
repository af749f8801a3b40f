"""The test message, by which an admin tries a configuration."""

from mailer.message.address import Mailbox
from mailer.message.draft import Draft
from mailer.project import ProjectId

_TEXT = """This is a test of the e-mail configuration of the project {project}.

If you can read it, messages of the project arrive with you. Its headers show by which relay it came and which
signatures it carries. No answer is needed.
"""


def trial_draft(project_id: ProjectId, to: Mailbox) -> Draft:
    """Return the test message, from the default sender."""
    return Draft(to=(to,), subject=f"Test message of the project {project_id}", text=_TEXT.format(project=project_id))
