"""The server transport for tests, with a scripted endpoint and clocks that a test moves."""

from mailer.adapters.aws.ses import SesTransport
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.net.elapsed import Clocks
from mailer.message.address import parse_address
from mailer.message.message import Message
from mailer.smtp.outcome import Attempt, Verdict

from tests.fakes import FakeClock
from tests.support.fake_aws import Behaviour, FakeAws, success

SENDER = parse_address("no-reply@platform.example")
ANN, BOB = parse_address("ann@example.com"), parse_address("bob@example.net")
ACCEPTED = success(MessageId="0100018c-message")


def make_message(*, body: bytes = b"Hello.\r\n") -> Message:
    octets = (
        b'From: "The Platform" <no-reply@platform.example>\r\nTo: ann@example.com\r\nSubject: Hi\r\n'
        b"Message-ID: <1@platform.example>\r\n\r\n" + body
    )
    return Message("<1@platform.example>", SENDER, (ANN, BOB), (octets,), len(octets))


class Setup:
    """A transport with this endpoint and clocks that a test moves."""

    def __init__(self, url: str, *, configuration_set_name: str | None = None) -> None:
        self.clock = FakeClock()
        self.session = AwsSession(endpoint_url=url)
        self.transport = SesTransport(
            self.session.ses,
            configuration_set_name=configuration_set_name,
            clocks=Clocks(self.clock, self.clock),
        )

    def send(self, message: Message | None = None, *, seconds: float = 24.0) -> Attempt:
        return self.transport.send(message or make_message(), deadline=self.clock() + seconds)

    def verdict(self, *, seconds: float = 24.0) -> Verdict:
        verdicts = self.send(seconds=seconds).verdicts
        assert set(verdicts) == {ANN, BOB}
        assert verdicts[ANN] == verdicts[BOB]
        return verdicts[ANN]


def always(behaviour: Behaviour) -> FakeAws:
    """Return an endpoint with this behaviour for every request."""
    return FakeAws(lambda _request: behaviour)
