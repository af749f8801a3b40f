"""The AWS clients: loaded late, quiet in the log, and with the right retries for each service."""

import logging
import subprocess
import sys

import pytest
from botocore.exceptions import NoRegionError
from mailer.adapters.aws.session import (
    AwsSession,
    Unanswered,
    aws_session,
    keep_aws_loggers_quiet,
    open_client,
)

from tests.support.fake_aws import FakeAws, refusal


def test_importing_the_adapters_does_not_load_an_sdk() -> None:
    program = (
        "import sys, mailer.adapters.aws.session, mailer.adapters.aws.secrets_manager, mailer.adapters.aws.ses\n"
        "import mailer.adapters.aws.ledger, mailer.adapters.aws.draft_store, mailer.adapters.aws.queues\n"
        "import mailer.adapters.aws.event_bus\n"
        "print(sorted({'boto3', 'botocore', 'urllib3', 'jwt', 'cryptography', 'aiosmtplib'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 -- our own interpreter, our own program

    assert printed.stdout.strip() == "[]"


def test_there_is_one_session_and_each_client_once() -> None:
    session = AwsSession(endpoint_url="http://127.0.0.1:1")

    for build in (session.ses, session.secrets_manager, session.dynamodb, session.s3, session.sqs, session.events):
        assert build() is build()
    assert aws_session() is aws_session()


def test_the_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")

    assert AwsSession().ses().meta.endpoint_url == "http://127.0.0.1:2"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "email.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "email.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "email.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_without_an_endpoint_in_the_environment_the_region_s_own_is_used(
    monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    assert AwsSession().ses().meta.endpoint_url == f"https://{host}"


def test_a_read_of_a_secret_is_tried_twice() -> None:
    with FakeAws(lambda _request: refusal("InternalServiceError", status=500)) as fake:
        client = AwsSession(endpoint_url=fake.url).secrets_manager()
        with pytest.raises(client.exceptions.InternalServiceError):
            client.get_secret_value(SecretId="acme")

        assert len(fake.requests) == 2


def test_nf12_no_request_of_a_send_is_tried_twice() -> None:
    config = AwsSession(endpoint_url="http://127.0.0.1:1").ses().meta.config

    assert config.retries == {"total_max_attempts": 1, "mode": "standard"}  # type: ignore[attr-defined] # a Config's options are made at run time


def test_a_hung_ledger_costs_six_seconds_at_most() -> None:
    config = AwsSession(endpoint_url="http://127.0.0.1:1").dynamodb().meta.config

    assert config.read_timeout * config.retries["total_max_attempts"] == 6  # type: ignore[attr-defined] # as above


def test_the_bucket_is_in_the_path_and_not_in_the_host_name() -> None:
    client = AwsSession(endpoint_url="http://aws.internal:4566").s3()

    assert client.generate_presigned_url("get_object", Params={"Bucket": "content", "Key": "k"}).startswith(
        "http://aws.internal:4566/content/k?"
    )


def test_sh2_the_loggers_that_would_write_secrets_stay_at_info() -> None:
    root, talkative = logging.getLogger(), logging.getLogger("botocore.parsers")
    before = root.level
    try:
        root.setLevel(logging.DEBUG)
        keep_aws_loggers_quiet()

        assert talkative.getEffectiveLevel() == logging.INFO
        assert logging.getLogger("urllib3.connectionpool").getEffectiveLevel() == logging.INFO
    finally:
        root.setLevel(before)


def test_a_failure_of_botocore_to_build_a_client_is_no_answer() -> None:
    def build() -> None:
        raise NoRegionError

    with pytest.raises(Unanswered) as raised:
        open_client(build)

    assert raised.value.code == "NoRegionError"


def test_a_bug_in_building_a_client_stays_a_bug() -> None:
    def build() -> None:
        raise KeyError("region")

    with pytest.raises(KeyError):
        open_client(build)
