"""For every test: the environment of a function, and a scan of its output for canaries."""

import os
import signal
from collections.abc import Generator

import pytest

from tests.support import canaries

ENVIRONMENT = {
    "ALLOW_PROJECT_SMTP": "true",
    "SERVER_FROM_ADDRESS": "Platform <no-reply@platform.example>",
    "SERVER_APPROVED_SENDERS": "support@platform.example",
    "PROJECT_SECRET_PREFIX": "project-smtp/",
    "EVENT_BUS_NAME": "project-smtp",
    "APP_BASE_URL": "https://app.platform.example/",
    "ALLOWED_RELAY_CIDRS": "",
    "ALLOWED_HTTPS_CIDRS": "",
    "ALLOWED_RELAY_PORTS": "",
    "JWT_ISSUER": "https://id.platform.example",
    "JWT_AUDIENCE": "project-smtp",
    "JWT_JWKS": "https://id.platform.example/jwks.json",
    "CONFIGURATION_SET_NAME": "",
    "LOG_LEVEL": "INFO",
    "POWERTOOLS_SERVICE_NAME": "mailer",
    "POWERTOOLS_METRICS_NAMESPACE": "ProjectSmtp",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "LEDGER_TABLE": "ledger",
    "CONTENT_BUCKET": "content",
    "DELIVERY_QUEUE_URL": "https://sqs.invalid/delivery",
    "DELIVERY_FAILURE_QUEUE_URL": "https://sqs.invalid/delivery-failures",
    "SYSTEM_EMAIL_FAILURE_QUEUE_URL": "https://sqs.invalid/system-email-failures",
    "SECRET_CHANGE_QUEUE_URL": "https://sqs.invalid/secret-changes",
    "PLATFORM_KEY_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:platform-key-AbCdEf",
    "SECRET_CHANGE_FAILURE_QUEUE_URL": "https://sqs.invalid/secret-change-failures",
}

# Functions read their environment when they are imported, as in Lambda.
os.environ.update(ENVIRONMENT)


# A shell starts background jobs with SIGINT ignored. Programs that the tests start, and interrupt, would inherit this.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test whose output, log or failure text holds a canary."""
    report = yield
    printed = "\n".join([*(content for _, content in report.sections), report.longreprtext])
    if report.outcome == "passed" and (found := canaries.found_in(printed)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a secret shows up in the output: {found}"
    return report
