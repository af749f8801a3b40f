"""The platform's key: read once, kept, and never replaced by a weaker one."""

import uuid

import pytest
from mailer.adapters.aws.platform_key import SecretsManagerKey
from mailer.adapters.aws.session import AwsSession
from mailer.errors import SecretsUnavailable
from mailer.relay.secret_str import SecretStr

from tests.adapters.conftest import Aws
from tests.support import canaries
from tests.support.fake_aws import Answer, FakeAws, Hang, refusal, success
from tests.support.secret_setup import Script

VALUE = success(SecretString=canaries.PLATFORM_KEY, VersionId="v1")


def key_at(url: str, secret_id: str = "platform-key") -> SecretsManagerKey:
    return SecretsManagerKey(AwsSession(endpoint_url=url).secrets_manager, secret_id=secret_id)


def test_the_key_is_the_value_of_the_secret(aws: Aws) -> None:
    name = f"platform-key-{uuid.uuid4().hex}"
    arn = aws.secrets.create_secret(Name=name, SecretString=canaries.PLATFORM_KEY)["ARN"]

    assert key_at(aws.url, arn)() == SecretStr(canaries.PLATFORM_KEY)


def test_the_key_is_read_once_and_only_when_it_is_needed() -> None:
    with FakeAws(Script(VALUE)) as endpoint:
        key = key_at(endpoint.url)
        assert endpoint.operations == []
        assert key() == key()
        assert endpoint.operations == ["GetSecretValue"]


@pytest.mark.parametrize(
    "answer",
    [
        refusal("AccessDeniedException"),
        refusal("ResourceNotFoundException"),
        refusal("DecryptionFailure"),
        success(VersionId="v1"),
        success(SecretString="", VersionId="v1"),
        success(SecretString="short", VersionId="v1"),
    ],
)
def test_an_unreadable_key_refuses_the_request_and_is_read_again(answer: Answer) -> None:
    with FakeAws(Script(answer, VALUE)) as endpoint:
        key = key_at(endpoint.url)
        with pytest.raises(SecretsUnavailable):
            key()
        assert key() == SecretStr(canaries.PLATFORM_KEY)


def test_a_secret_store_that_does_not_answer_ends_in_time() -> None:
    with FakeAws(Script(Hang())) as endpoint, pytest.raises(SecretsUnavailable):
        key_at(endpoint.url)()
