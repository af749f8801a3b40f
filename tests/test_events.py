"""The files in `events/`: each is an event as its function gets it in the cloud. Each route and queue has an event."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.support.sam_template import ROOT, as_list, at, items, mapping, read_template, resources

EVENTS = {path.stem: mapping(json.loads(path.read_text(encoding="utf-8"))) for path in Path(ROOT, "events").iterdir()}
FUNCTIONS = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Function")).lower(): function
    for name, function in resources(read_template(), "AWS::Serverless::Function").items()
}
HTTP = sorted(case for case, event in EVENTS.items() if "routeKey" in event and "routeArn" not in event)
QUEUED = sorted(case for case, event in EVENTS.items() if "Records" in event)


def event_sources(function: str, kind: str) -> list[dict[str, object]]:
    events = mapping(FUNCTIONS[function].get("Events", {})).values()
    return [mapping(at(event, "Properties")) for event in events if at(event, "Type") == kind]


def routes(function: str) -> set[str]:
    return {f"{source['Method']} {source['Path']}" for source in event_sources(function, "HttpApi")}


def queues(function: str) -> set[str]:
    return {str(as_list(at(source["Queue"], "Fn::GetAtt"))[0]) for source in event_sources(function, "SQS")}


def function_of(case: str) -> str:
    return case.partition(".")[0]


def test_every_event_belongs_to_a_function() -> None:
    assert {function_of(case) for case in EVENTS} == FUNCTIONS.keys()


@pytest.mark.parametrize("case", HTTP)
def test_a_request_is_for_a_route_of_its_function(case: str) -> None:
    assert EVENTS[case]["routeKey"] in routes(function_of(case))


@pytest.mark.parametrize("case", HTTP)
def test_a_request_s_path_matches_its_route(case: str) -> None:
    path = str(EVENTS[case]["routeKey"]).partition(" ")[2]
    for name, value in mapping(EVENTS[case].get("pathParameters", {})).items():
        path = path.replace(f"{{{name}}}", str(value))
    assert EVENTS[case]["rawPath"] == path


@pytest.mark.parametrize("case", QUEUED)
def test_a_queued_event_comes_from_a_queue_of_its_function(case: str) -> None:
    for record in items(EVENTS[case]["Records"]):
        assert str(at(record, "eventSourceARN")).split("-")[-2] in queues(function_of(case))


@pytest.mark.parametrize("case", QUEUED)
def test_a_queued_event_has_the_digest_of_its_body(case: str) -> None:
    for record in items(EVENTS[case]["Records"]):
        digest = hashlib.md5(str(at(record, "body")).encode(), usedforsecurity=False).hexdigest()
        assert at(record, "md5OfBody") == digest


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_route_has_an_event(function: str) -> None:
    assert routes(function) == {EVENTS[case]["routeKey"] for case in HTTP if function_of(case) == function}


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_queue_of_a_function_has_an_event(function: str) -> None:
    sources = {
        str(at(record, "eventSourceARN")).split("-")[-2]
        for case in QUEUED
        if function_of(case) == function
        for record in items(EVENTS[case]["Records"])
    }
    assert sources == queues(function)


@pytest.mark.parametrize("source", ["LifecycleRule", "SecretChangeRule"])
def test_every_event_type_of_a_rule_has_an_example(source: str) -> None:
    rule = resources(read_template(), "AWS::Events::Rule")[source]
    pattern = mapping(rule["EventPattern"])
    queue = str(as_list(at(items(rule["Targets"])[0], "Arn", "Fn::GetAtt"))[0])
    bodies = [
        str(at(record, "body"))
        for case in QUEUED
        for record in items(EVENTS[case]["Records"])
        if f"-{queue}-" in str(at(record, "eventSourceARN"))
    ]
    for detail_type in items(pattern["detail-type"]):
        assert any(f'"detail-type": "{detail_type}"' in body for body in bodies)
