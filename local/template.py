"""The parts of the SAM template that the stack needs: parameters, code, routes and authorizers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

# No code is uploaded: moto records the location and does not read it.
_UPLOADED = "s3://embedded/{}"
_CODE_PROPERTY = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A Lambda authorizer; a decision is kept for `cache_seconds` per value of its headers."""

    function: str
    headers: tuple[str, ...]
    cache_seconds: int


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path with `{parameters}`, and the logical id of the function that serves them."""

    method: str
    path: str
    function: str
    authorizer: Authorizer | None

    @property
    def key(self) -> str:
        """The route as API Gateway names it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Template:
    """The parts of a template; `document` is the complete template, ready for translation."""

    document: dict[str, object]
    parameters: tuple[str, ...]
    code: Mapping[str, Path]
    routes: tuple[Route, ...]


def read_template(path: Path) -> Template:
    """Read a SAM template."""
    document = dict(mapping(yaml_parse(path.read_text(encoding="utf-8"))))
    resources = {name: mapping(resource) for name, resource in mapping(document["Resources"]).items()}
    routes = tuple(_routes(resources))
    code: dict[str, Path] = {}
    for name, resource in resources.items():
        if place := _CODE_PROPERTY.get(str(resource["Type"])):
            properties = mapping(resource["Properties"])
            if place == "CodeUri":
                code[name] = path.parent / str(properties[place])
            properties[place] = _UPLOADED.format(name)
    return Template(document, tuple(mapping(document.get("Parameters", {}))), code, routes)


def _routes(resources: Mapping[str, dict[str, object]]) -> Iterator[Route]:
    for name, resource in resources.items():
        events = mapping(mapping(resource.get("Properties", {})).get("Events", {}))
        for event in map(mapping, events.values()):
            if event["Type"] == "HttpApi":
                properties = mapping(event["Properties"])
                api = mapping(resources[referred(properties["ApiId"])].get("Properties", {}))
                authorizer = _authorizer(mapping(api.get("Auth", {})), mapping(properties.get("Auth", {})))
                yield Route(str(properties["Method"]).upper(), str(properties["Path"]), name, authorizer)


def _authorizer(api: Mapping[str, object], route: Mapping[str, object]) -> Authorizer | None:
    name = route.get("Authorizer", api.get("DefaultAuthorizer"))
    if name is None or name == "NONE":
        return None
    settings = mapping(mapping(api["Authorizers"])[str(name)])
    identity = mapping(settings.get("Identity", {}))
    headers = identity.get("Headers", [])
    if not isinstance(headers, list):
        msg = "Identity.Headers is not a list"
        raise TypeError(msg)
    return Authorizer(
        function=referred(settings["FunctionArn"]),
        headers=tuple(str(header).lower() for header in headers),
        cache_seconds=int(str(identity.get("ReauthorizeEvery", 0))),
    )


def referred(reference: object) -> str:
    """Return the logical id that a `Ref` or a `Fn::GetAtt` names."""
    target = next(iter(mapping(reference).values()))
    return str(target[0]) if isinstance(target, list) else str(target).partition(".")[0]


def mapping(value: object) -> dict[str, object]:
    """Return a part of a template that must be a mapping."""
    if not isinstance(value, dict):
        msg = "the template needs a mapping in this place"
        raise TypeError(msg)
    return value
