"""Contract tests for template stores: the one in memory for tests, and the real one on moto."""

import pytest
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.aws.template_store import DynamoDbTemplateStore
from mailer.errors import LedgerUnavailable
from mailer.message.address import parse_mailbox
from mailer.ports import TemplateStore, WriteConflict
from mailer.project import ProjectId
from mailer.template.template import MAX_TEMPLATE, Precondition, Template, TemplateName, parse_template_name

from tests.support.fake_aws import FakeAws, refusal
from tests.support.ledger_stage import ACME, NOW, OTHER, Transit, create_table, make_ledger, make_record, serial_moto
from tests.template_fakes import MemoryTemplateStore

WELCOME = TemplateName("welcome")
TEMPLATE = Template(subject="Hi {name}", html="<p>{name}</p>")
ANY = Precondition()
NEW_ONLY = Precondition(exists=False)
OLD_ONLY = Precondition(exists=True)


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest, ledger_session: AwsSession) -> TemplateStore:
    if request.param == "memory":
        return MemoryTemplateStore()
    return DynamoDbTemplateStore(ledger_session.dynamodb, table=create_table(ledger_session.dynamodb()))


def put(
    store: TemplateStore,
    template: Template = TEMPLATE,
    *,
    project_id: ProjectId = ACME,
    name: str = WELCOME,
    only_if: Precondition = ANY,
) -> str:
    return store.put(project_id, TemplateName(name), template, now=NOW, only_if=only_if).etag


def test_a_stored_template_is_found_unchanged(store: TemplateStore) -> None:
    template = Template(
        subject="Hi {user.name}",
        text="Hi\r\n",
        html="<p>é</p>",
        sender=parse_mailbox("Ann <ann@example.com>"),
        reply_to=(parse_mailbox("bob@example.com"),),
        defaults={"user": {"name": "you"}, "n": 3, "b": True, "f": 0.5},
    )

    etag = put(store, template)

    found = store.get(ACME, WELCOME)
    assert found is not None
    assert found.template == template
    assert (found.summary.name, found.summary.etag, found.summary.updated_at) == ("welcome", etag, NOW)


def test_TI7_another_project_s_template_is_not_found(store: TemplateStore) -> None:
    put(store)

    assert store.get(OTHER, WELCOME) is None
    assert store.page(OTHER, after=None, limit=10).templates == ()


def test_TI7_projects_have_templates_of_the_same_name(store: TemplateStore) -> None:
    put(store)
    put(store, Template(subject="other"), project_id=OTHER)
    store.delete(OTHER, WELCOME, only_if=ANY)

    found = store.get(ACME, WELCOME)
    assert found is not None
    assert found.template == TEMPLATE


def test_every_write_has_an_etag_of_its_own(store: TemplateStore) -> None:
    assert len({put(store), put(store), put(store, name="other")}) == 3


@pytest.mark.parametrize("only_if", [Precondition(etag="0" * 32), NEW_ONLY])
def test_a_write_whose_precondition_does_not_hold_changes_nothing(store: TemplateStore, only_if: Precondition) -> None:
    etag = put(store)

    with pytest.raises(WriteConflict):
        put(store, Template(subject="other"), only_if=only_if)

    found = store.get(ACME, WELCOME)
    assert found is not None
    assert (found.summary.etag, found.template) == (etag, TEMPLATE)


def test_a_write_whose_precondition_holds_is_made(store: TemplateStore) -> None:
    first = put(store, only_if=NEW_ONLY)
    second = put(store, only_if=Precondition(etag=first))
    third = put(store, only_if=OLD_ONLY)

    assert len({first, second, third}) == 3


@pytest.mark.parametrize("only_if", [Precondition(etag="0" * 32), OLD_ONLY])
def test_a_missing_template_is_not_replaced(store: TemplateStore, only_if: Precondition) -> None:
    with pytest.raises(WriteConflict):
        put(store, only_if=only_if)
    assert store.get(ACME, WELCOME) is None


def test_a_deleted_template_is_gone_and_may_be_deleted_again(store: TemplateStore) -> None:
    etag = put(store)

    store.delete(ACME, WELCOME, only_if=Precondition(etag=etag))
    store.delete(ACME, WELCOME, only_if=ANY)

    assert store.get(ACME, WELCOME) is None


def test_a_concurrently_changed_template_is_not_deleted(store: TemplateStore) -> None:
    etag = put(store)
    put(store)

    with pytest.raises(WriteConflict):
        store.delete(ACME, WELCOME, only_if=Precondition(etag=etag))
    assert store.get(ACME, WELCOME) is not None


def test_pages_hold_every_name_once_in_order(store: TemplateStore) -> None:
    names = ["B", "a", "a.1", "a-2", "c_d"]
    for name in names:
        put(store, name=name)

    found: list[str] = []
    after: TemplateName | None = None
    while True:
        page = store.page(ACME, after=after, limit=2)
        found.extend(summary.name for summary in page.templates)
        if page.cursor is None:
            break
        after = page.cursor

    assert found == sorted(names)


def test_the_largest_template_is_kept_whole(store: TemplateStore) -> None:
    largest = Template(text="x" * (MAX_TEMPLATE - Template(text="").size))

    put(store, largest)

    assert largest.size == MAX_TEMPLATE
    found = store.get(ACME, WELCOME)
    assert found is not None
    assert found.template == largest


def test_messages_and_templates_are_listed_separately(ledger_session: AwsSession) -> None:
    ledger = make_ledger(ledger_session)
    store = DynamoDbTemplateStore(ledger_session.dynamodb, table=ledger._table.name)
    ledger.insert(make_record())
    put(store)

    assert [record.id for record in ledger.page(ACME, state=None, cursor=None, limit=10).records] == ["m1"]
    assert [summary.name for summary in store.page(ACME, after=None, limit=10).templates] == ["welcome"]


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems"])
def test_a_write_with_a_lost_answer_is_made_once(operation: str) -> None:
    transit = [Transit.ANSWER_LOST]

    def transit_of(asked: str) -> Transit:
        return transit.pop() if asked == operation and transit else Transit.SERVED

    with serial_moto(transit_of) as url:
        session = AwsSession(endpoint_url=url)
        store = DynamoDbTemplateStore(session.dynamodb, table=create_table(session.dynamodb()))

        etag = put(store, only_if=NEW_ONLY)
        store.delete(ACME, WELCOME, only_if=Precondition(etag=etag))

        assert transit == []
        assert store.get(ACME, WELCOME) is None


def test_a_store_without_an_answer_is_unavailable() -> None:
    with FakeAws(lambda _request: refusal("InternalServerError", status=500)) as aws:
        store = DynamoDbTemplateStore(AwsSession(endpoint_url=aws.url).dynamodb, table="t", pause=lambda _seconds: None)

        with pytest.raises(LedgerUnavailable):
            store.get(ACME, WELCOME)
        with pytest.raises(LedgerUnavailable):
            put(store)
        with pytest.raises(LedgerUnavailable):
            store.delete(ACME, WELCOME, only_if=ANY)
        with pytest.raises(LedgerUnavailable):
            store.page(ACME, after=None, limit=1)


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "...", "x" * 64])
def test_valid_names_of_templates(name: str) -> None:
    assert parse_template_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a b", "a/b", "a#b", "é", "a\n", "x" * 65, "../b", "a%2Fb", "a*", "\x00"]
)
def test_TI2_other_texts_are_not_names(name: str) -> None:
    assert parse_template_name(name) is None
