import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from mailer.api.exchange import BUDGET_SECONDS
from mailer.settings import parse_settings

from tests.support.sam_template import ROOT, as_list, at, items, mapping, read_template, resources

TEMPLATE = read_template()
PARAMETERS = {name: mapping(parameter) for name, parameter in mapping(TEMPLATE["Parameters"]).items()}
FUNCTIONS = resources(TEMPLATE, "AWS::Serverless::Function")
GLOBALS = mapping(at(TEMPLATE, "Globals", "Function"))
ENVIRONMENT = mapping(at(GLOBALS, "Environment", "Variables"))

OPERATOR_SETTINGS = (
    "AllowProjectSmtp",
    "ServerFromAddress",
    "ServerApprovedSenders",
    "ProjectSecretPrefix",
    "EventBusName",
    "AppBaseUrl",
    "AllowedRelayCidrs",
    "AllowedHttpsCidrs",
    "AllowedRelayPorts",
    "KnownProjects",
    "JwtIssuer",
    "JwtAudience",
    "JwtJwks",
    "ConfigurationSetName",
    "ProjectLimits",
    "RoleLimits",
    "DivertAllTo",
    "SuppressEmails",
    "LogLevel",
    "EventSources",
    "AlarmEmail",
)
# Only the template uses these settings.
OF_THE_TEMPLATE = {"EventSources", "AlarmEmail"}
REQUIRED = {
    "ServerFromAddress": "Platform <no-reply@platform.example>",
    "AppBaseUrl": "https://app.platform.example",
    "JwtIssuer": "https://identity.platform.example",
    "JwtAudience": "project-smtp",
    "JwtJwks": "https://identity.platform.example/keys",
}
RESOURCES = {
    "LEDGER_TABLE": "LedgerTable",
    "CONTENT_BUCKET": "ContentBucket",
    "DELIVERY_QUEUE_URL": "DeliveryQueue",
    "DELIVERY_FAILURE_QUEUE_URL": "DeliveryFailureQueue",
    "SECRET_CHANGE_QUEUE_URL": "SecretChangeQueue",
    "SECRET_CHANGE_FAILURE_QUEUE_URL": "SecretChangeFailureQueue",
    "SYSTEM_EMAIL_FAILURE_QUEUE_URL": "SystemEmailFailureQueue",
    "PROJECT_SECRET_KEY_ARN": "ProjectSecretKeyArn",
    "PLATFORM_KEY_ARN": "PlatformKey",
}
_MESSAGES = {"LEDGER_TABLE", "CONTENT_BUCKET", "DELIVERY_QUEUE_URL"}
USED_RESOURCES: Mapping[str, set[str]] = {
    "AuthorizeFunction": set(),
    "SendFunction": _MESSAGES | {"SECRET_CHANGE_QUEUE_URL", "PLATFORM_KEY_ARN"},
    "ProjectConfigFunction": _MESSAGES | {"SECRET_CHANGE_QUEUE_URL", "PROJECT_SECRET_KEY_ARN", "PLATFORM_KEY_ARN"},
    "DeliverFunction": _MESSAGES | {"DELIVERY_FAILURE_QUEUE_URL", "SECRET_CHANGE_QUEUE_URL"},
    "SystemEmailFunction": _MESSAGES | {"SYSTEM_EMAIL_FAILURE_QUEUE_URL"},
    "ValidateSecretsFunction": {
        "LEDGER_TABLE",
        "DELIVERY_QUEUE_URL",
        "SECRET_CHANGE_QUEUE_URL",
        "SECRET_CHANGE_FAILURE_QUEUE_URL",
    },
}
ROUTES = (
    ("POST", "emails"),
    ("GET", "emails"),
    ("POST", "emails/batch"),
    ("POST", "emails/explain"),
    ("GET", "emails/{emailId}"),
    ("POST", "emails/{emailId}/retry"),
    ("POST", "emails/{emailId}/cancel"),
    ("POST", "emails/forget"),
    ("GET", "email-config"),
    ("PUT", "email-config"),
    ("DELETE", "email-config"),
    ("POST", "email-config/held"),
    ("POST", "email-config/validate"),
    ("POST", "email-config/test"),
    ("GET", "templates"),
    ("GET", "templates/{name}"),
    ("PUT", "templates/{name}"),
    ("DELETE", "templates/{name}"),
    ("GET", "email-config/providers"),
    ("POST", "email-config/providers"),
    ("GET", "email-config/providers/{providerId}"),
    ("PUT", "email-config/providers/{providerId}"),
    ("DELETE", "email-config/providers/{providerId}"),
)
# The dialects' routes, each with the authorizer that reads its header.
DIALECTS = {
    "POST /email/v1/send": "BearerToken",
    "POST /api/v2/{service}": "DreamFactoryKey",
    "POST /send": "BearerToken",
    "POST /email/send": "ApiKeyOrBearerToken",
    "POST /email/send-bulk": "ApiKeyOrBearerToken",
    "GET /email-config": "BearerToken",
    "POST /email-config": "BearerToken",
    "PUT /email-config": "BearerToken",
    "GET /email-config/providers": "BearerToken",
    "POST /email-config/providers": "BearerToken",
    "PUT /email-config/providers/{providerId}": "BearerToken",
    "DELETE /email-config/providers/{providerId}": "BearerToken",
    "GET /email-config/provider-schemas": "BearerToken",
    "GET /email-config/provider-schemas/{provider}": "BearerToken",
}
# An HTTP API waits this long for its integration.
HTTP_API_SECONDS = 30


def upper_snake(parameter: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).upper()


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


class ReadNames(dict[str, str]):
    """An environment that records which of its variables were read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.read: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # the settings always pass a text
        self.read.add(name)
        return super().get(name, default)


def default_environment() -> dict[str, str]:
    values = {name: str(parameter.get("Default", REQUIRED.get(name))) for name, parameter in PARAMETERS.items()}
    return {
        variable: values[str(mapping(value)["Ref"])]
        for variable, value in ENVIRONMENT.items()
        if isinstance(value, dict)
    }


class TestSettings:
    @pytest.mark.parametrize("name", OPERATOR_SETTINGS)
    def test_every_operator_setting_is_a_described_parameter(self, name: str) -> None:
        assert PARAMETERS[name]["Type"] == "String"
        assert PARAMETERS[name]["Description"]

    @pytest.mark.parametrize("name", [name for name in OPERATOR_SETTINGS if name not in OF_THE_TEMPLATE])
    def test_a_setting_reaches_the_functions_in_upper_snake(self, name: str) -> None:
        assert ENVIRONMENT[upper_snake(name)] == {"Ref": name}

    def test_the_settings_read_exactly_the_variables_that_the_template_sets(self) -> None:
        environment = ReadNames(default_environment())
        parse_settings(environment)
        assert environment.read == {upper_snake(name) for name in OPERATOR_SETTINGS if name not in OF_THE_TEMPLATE}

    @pytest.mark.parametrize("name", sorted(FUNCTIONS))
    def test_a_function_gets_only_the_resources_that_it_uses(self, name: str) -> None:
        own = mapping(at(FUNCTIONS[name], "Environment", "Variables")) if "Environment" in FUNCTIONS[name] else {}
        assert own == {variable: {"Ref": RESOURCES[variable]} for variable in USED_RESOURCES[name]}

    def test_the_longest_key_set_leaves_room_for_the_other_variables(self) -> None:
        # All variables of a function together have 4 KB. A bucket's name has up to 63 octets, a queue's URL about 140.
        names = "".join(ENVIRONMENT) + "".join(USED_RESOURCES["SendFunction"])
        most = {"CONTENT_BUCKET": 63, "DELIVERY_QUEUE_URL": 140, "SECRET_CHANGE_QUEUE_URL": 140}
        addresses = sum(most.get(name, 150) for name in USED_RESOURCES["SendFunction"])
        others = 600
        longest = sum(int(str(PARAMETERS[name]["MaxLength"])) for name in ("JwtJwks", "ProjectLimits", "RoleLimits"))
        assert len(names) + addresses + others + longest < 4096

    def test_only_parameters_without_a_sensible_default_are_required(self) -> None:
        assert {name for name, parameter in PARAMETERS.items() if "Default" not in parameter} == REQUIRED.keys()

    @pytest.mark.parametrize("name", sorted(PARAMETERS))
    def test_defaults_and_examples_fit_their_own_pattern(self, name: str) -> None:
        value = str(PARAMETERS[name].get("Default", REQUIRED.get(name)))
        assert accepts(name, value)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ProjectLimits", "1000/hour"),
            ("ProjectLimits", "1000/hour, 10000/day"),
            ("RoleLimits", "marketing=100/hour, marketing=500/day,support.eu = 1000 / day"),
            ("DivertAllTo", "stage@platform.example"),
        ],
    )
    def test_the_functions_accept_every_value_that_deploys(self, name: str, value: str) -> None:
        assert accepts(name, value)
        parse_settings({**default_environment(), upper_snake(name): value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ServerFromAddress", "a@b.example, c@d.example"),
            ("ServerFromAddress", "Name <a@b.example"),
            ("ServerApprovedSenders", "Name <a@b.example>"),
            ("ProjectSecretPrefix", "*"),
            ("ProjectSecretPrefix", "project-smt?/"),
            ("ProjectSecretKeyArn", "*"),
            ("ProjectSecretKeyArn", "arn:aws:kms:eu-west-1:123456789012:alias/mail"),
            ("EventBusName", "default"),
            ("AppBaseUrl", "http://app.platform.example"),
            ("JwtJwks", "http://identity.platform.example/keys"),
            ("ConfigurationSetName", "*"),
            ("AllowProjectSmtp", "flase"),
            ("ProjectLimits", "0/hour"),
            ("ProjectLimits", "100/minute"),
            ("RoleLimits", "100/hour"),
            ("DivertAllTo", "a@b.example, c@d.example"),
            ("SuppressEmails", "flase"),
        ],
    )
    def test_a_dangerous_value_does_not_deploy(self, name: str, value: str) -> None:
        assert not accepts(name, value)


def accepts(parameter: str, value: str) -> bool:
    allowed = PARAMETERS[parameter].get("AllowedValues")
    pattern = str(PARAMETERS[parameter].get("AllowedPattern", ".*"))
    return (allowed is None or value in items(allowed)) and re.fullmatch(pattern, value) is not None


class TestLoopback:
    """Only the embedded stack has relays on loopback."""

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"])
    def test_ss15_by_default_a_relay_has_a_public_address(self, address: str) -> None:
        policy = parse_settings(default_environment()).relay_policy

        assert (policy.allows_address(address), policy.for_https().allows_address(address)) == (False, False)

    @pytest.mark.parametrize(
        "ranges",
        [
            "127.0.0.0/8",
            "127.0.0.1/32",
            "10.0.0.0/8,127.0.0.0/8",
            "10.0.0.0/8, ::1/128",
            "0:0:0:0:0:0:0:1/128",
            "::ffff:127.0.0.1/128",
            "169.254.169.254/32",
            "fe80::/10",
            "0.0.0.0/0",
            "::/0",
            "64.0.0.0/2",
        ],
    )
    @pytest.mark.parametrize("parameter", ["AllowedRelayCidrs", "AllowedHttpsCidrs"])
    def test_ss15_a_range_with_a_loopback_or_link_local_address_does_not_deploy(
        self, parameter: str, ranges: str
    ) -> None:
        assert not accepts(parameter, ranges)

    @pytest.mark.parametrize("parameter", ["AllowedRelayCidrs", "AllowedHttpsCidrs"])
    @pytest.mark.parametrize("ranges", ["", "10.20.0.0/16", "10.0.0.0/8, 192.168.7.0/24", "fc00::/7", "100.127.0.0/16"])
    def test_a_private_range_deploys(self, parameter: str, ranges: str) -> None:
        assert accepts(parameter, ranges)


class TestFunctions:
    @pytest.mark.parametrize("name", sorted(FUNCTIONS))
    def test_a_function_s_code_is_the_folder_of_its_name(self, name: str) -> None:
        folder = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Function")).lower()
        assert FUNCTIONS[name]["CodeUri"] == f"functions/{folder}"

    def test_every_function_folder_is_deployed(self) -> None:
        folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("functions/*/app.py")}
        assert folders == {function["CodeUri"] for function in FUNCTIONS.values()}

    @pytest.mark.parametrize("name", ["SendFunction", "ProjectConfigFunction"])
    def test_an_api_function_ends_after_its_budget_and_before_the_gateway(self, name: str) -> None:
        timeout = FUNCTIONS[name].get("Timeout", GLOBALS["Timeout"])
        assert isinstance(timeout, int)
        assert BUDGET_SECONDS < timeout < HTTP_API_SECONDS

    def test_every_function_writes_to_the_same_log_group(self) -> None:
        assert at(GLOBALS, "LoggingConfig", "LogGroup") == {"Ref": "FunctionLogGroup"}
        assert [name for name, function in FUNCTIONS.items() if "LoggingConfig" in function] == []

    @pytest.mark.parametrize("group", ["FunctionLogGroup", "ApiLogGroup"])
    def test_logs_are_kept_for_90_days_and_when_the_stack_is_deleted(self, group: str) -> None:
        assert resources(TEMPLATE, "AWS::Logs::LogGroup")[group]["RetentionInDays"] == 90
        assert at(TEMPLATE, "Resources", group, "DeletionPolicy") == "Retain"
        assert at(TEMPLATE, "Resources", group, "UpdateReplacePolicy") == "Retain"

    def test_json_lines_are_not_wrapped_in_json_again(self) -> None:
        assert at(GLOBALS, "LoggingConfig", "LogFormat") == "Text"

    @pytest.mark.parametrize("name", sorted(FUNCTIONS))
    def test_errors_of_a_function_raise_an_alarm(self, name: str) -> None:
        watched = [
            alarm
            for alarm in resources(TEMPLATE, "AWS::CloudWatch::Alarm").values()
            if alarm.get("Dimensions") == [{"Name": "FunctionName", "Value": {"Ref": name}}]
            and alarm.get("MetricName") == "Errors"
        ]
        assert len(watched) == 1

    @pytest.mark.parametrize("transport", ["project-smtp", "server-ses"])
    def test_qd16_an_unknown_outcome_raises_an_alarm(self, transport: str) -> None:
        watched = [
            alarm
            for alarm in resources(TEMPLATE, "AWS::CloudWatch::Alarm").values()
            if alarm.get("MetricName") == "MessagesUnknown"
            and {"Name": "Transport", "Value": transport} in items(alarm["Dimensions"])
            and {"Name": "service", "Value": ENVIRONMENT["POWERTOOLS_SERVICE_NAME"]} in items(alarm["Dimensions"])
            and alarm["Namespace"] == ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"]
        ]
        assert len(watched) == 1

    @pytest.mark.parametrize("name", sorted(FUNCTIONS))
    def test_qd12_no_function_has_reserved_concurrency(self, name: str) -> None:
        assert "ReservedConcurrentExecutions" not in FUNCTIONS[name]


class TestApi:
    api = resources(TEMPLATE, "AWS::Serverless::HttpApi")["HttpApi"]

    def test_every_route_has_an_authorizer(self) -> None:
        assert at(self.api, "Auth", "DefaultAuthorizer") == "BearerToken"
        asked = {
            f"{event['Method']} {event['Path']}": at(event, "Auth", "Authorizer")
            for event in routes()
            if "Auth" in event
        }
        assert asked == {route: name for route, name in DIALECTS.items() if name != "BearerToken"}

    @pytest.mark.parametrize("name", sorted(set(DIALECTS.values())))
    def test_an_authorizer_uses_simple_responses(self, name: str) -> None:
        authorizer = mapping(at(self.api, "Auth", "Authorizers", name))
        assert authorizer["FunctionArn"] == {"Fn::GetAtt": ["AuthorizeFunction", "Arn"]}
        assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"
        assert authorizer["EnableSimpleResponses"] is True

    @pytest.mark.parametrize(
        ("name", "header"), [("BearerToken", "Authorization"), ("DreamFactoryKey", "X-DreamFactory-API-Key")]
    )
    def test_a_decision_is_cached_by_token_for_at_most_a_minute(self, name: str, header: str) -> None:
        identity = mapping(at(self.api, "Auth", "Authorizers", name, "Identity"))
        assert identity["Headers"] == [header]
        assert 0 <= int(str(identity["ReauthorizeEvery"])) <= 60

    def test_a_decision_from_one_of_two_headers_is_not_cached(self) -> None:
        assert at(self.api, "Auth", "Authorizers", "ApiKeyOrBearerToken", "Identity") == {"ReauthorizeEvery": 0}

    def test_the_routes_are_those_of_the_api_and_of_the_dialects(self) -> None:
        assert {f"{event['Method']} {event['Path']}" for event in routes()} == DIALECTS.keys() | {
            *(f"{method} /v1/projects/{{projectId}}/{path}" for method, path in ROUTES),
            "POST /v1/platform/emails/forget",
            "GET /v1/provider-schemas",
            "GET /v1/provider-schemas/{provider}",
        }

    def test_au4_lifecycle_events_have_their_own_bus(self) -> None:
        assert resources(TEMPLATE, "AWS::Events::EventBus")["EventBus"]["Name"] == {"Ref": "EventBusName"}


def routes() -> Iterator[Mapping[str, object]]:
    for function in FUNCTIONS.values():
        for event in mapping(function.get("Events", {})).values():
            if at(event, "Type") == "HttpApi":
                yield mapping(at(event, "Properties"))


class TestTrust:
    @pytest.mark.parametrize("name", sorted(FUNCTIONS))
    def test_a_function_has_its_own_role_that_only_lambda_assumes(self, name: str) -> None:
        role = items(at(FUNCTIONS[name], "Role", "Fn::GetAtt"))[0]
        assert role == name.removesuffix("Function") + "Role"
        statements = as_list(
            at(TEMPLATE, "Resources", str(role), "Properties", "AssumeRolePolicyDocument", "Statement")
        )
        assert [at(statement, "Principal") for statement in statements] == [{"Service": "lambda.amazonaws.com"}]

    def test_no_managed_policy_is_attached(self) -> None:
        assert not [name for name, role in resources(TEMPLATE, "AWS::IAM::Role").items() if "ManagedPolicyArns" in role]


def test_the_layer_keeps_the_service_models_that_the_package_uses() -> None:
    kept = re.search(r"(?m)^SERVICES := (.+)$", text("layers/mailer/Makefile"))
    sources = [path.read_text(encoding="utf-8") for path in Path(ROOT, "layers/mailer/src").rglob("*.py")]
    called = {name for source in sources for name in re.findall(r"self\._client\(\s*\"([a-z0-9-]+)\"", source)}
    assert kept is not None
    assert called == set(kept[1].split())
