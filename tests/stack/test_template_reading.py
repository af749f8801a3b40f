"""The parts of a SAM template that the stack reads."""

from pathlib import Path

import pytest

from local.option import ROOT, InvalidOption, read_options, variable_name
from local.template import Authorizer, Template, read_template

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  LogLevel: {Type: String}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token:
            FunctionArn: !GetAtt Authorize.Arn
            Identity: {Headers: [Authorization, X-Other], ReauthorizeEvery: 30}
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer}
  Authorize:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/authorize}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/work
      Events:
        Guarded: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: "/a/{b}"}}
        Open: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /, Auth: {Authorizer: NONE}}}
        Queue: {Type: SQS, Properties: {Queue: arn}}
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE, encoding="utf-8")
    return read_template(path)


def test_routes_have_the_default_authorizer_unless_they_override_it(template: Template) -> None:
    authorizer = Authorizer("Authorize", ("authorization", "x-other"), 30)

    assert {route.key: (route.function, route.authorizer) for route in template.routes} == {
        "POST /a/{b}": ("Work", authorizer),
        "GET /": ("Work", None),
    }


def test_code_paths_are_relative_to_the_template(template: Template, tmp_path: Path) -> None:
    assert template.code == {name: tmp_path / "functions" / name.lower() for name in ("Authorize", "Work")}


def test_parameters_are_known_by_their_variables(template: Template) -> None:
    assert [variable_name(name) for name in template.parameters] == ["LOG_LEVEL"]


def test_every_route_of_the_repository_s_template_has_an_authorizer() -> None:
    routes = read_template(ROOT / "template.yaml").routes

    assert routes
    assert [route.key for route in routes if route.authorizer is None] == []


@pytest.mark.parametrize("value", ["http", "", "-1", "65536", "٣"])
def test_an_invalid_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidOption, match="AWS_PORT"):
        read_options({"AWS_PORT": value})


def test_the_state_is_kept_in_the_repository_by_default(tmp_path: Path) -> None:
    assert read_options({}).directory == ROOT / ".local"
    assert read_options({"LOCAL_DIR": str(tmp_path)}).directory == tmp_path
