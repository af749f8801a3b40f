"""Execution environments: processes that run a function's handler."""

import os
import signal
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import replace
from pathlib import Path
from typing import TextIO

import pytest

from local.client import find
from local.deploy import DeployedFunction
from local.environment import (
    MAX_ENVIRONMENTS,
    MAX_EVENT,
    EventTooLarge,
    Function,
    FunctionDidNotStart,
    FunctionFailed,
    StillRunning,
)

DEPLOYED = DeployedFunction("Work", "stack-Work-1", "arn:work", "app.handler", 20, 512, {})
PATIENCE = 30.0
CODE = """
import os, threading, time
calls = 0
print("imported")

def handler(event, context):
    global calls
    calls += 1
    match event.get("do"):
        case "raise":
            raise ValueError("on purpose")
        case "exit":
            os._exit(1)
        case "wait":
            threading.Event().wait()
        case "strange":
            return {1, 2}
    print("handled", event.get("do"))
    return {
        "calls": calls, "process": os.getpid(), "variable": os.environ.get("VARIABLE"),
        "inherited": sorted(set(os.environ) & {"ALLOW_PROJECT_SMTP"}), "name": context.function_name,
        "memory": context.memory_limit_in_mb, "id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
    }
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "functions.log").open("w", encoding="utf-8") as log:
        yield log


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(textwrap.dedent(CODE), encoding="utf-8")
    return tmp_path


@pytest.fixture
def function(code: Path, log: TextIO) -> Iterator[Function]:
    function = Function(DEPLOYED, code, {"VARIABLE": "value"}, log)
    yield function
    function.stop()


def test_a_function_sees_its_own_variables_and_not_the_stacks(function: Function) -> None:
    answer = function.invoke({}, patience_seconds=PATIENCE)

    assert (find(answer, "variable"), find(answer, "inherited")) == ("value", [])


def test_the_context_has_lambda_s_members(function: Function) -> None:
    answer = function.invoke({}, patience_seconds=PATIENCE)

    assert (find(answer, "name"), find(answer, "memory")) == ("stack-Work-1", "512")
    assert 19_000 < int(str(find(answer, "remaining"))) <= 20_000


def test_an_environment_is_reused(function: Function) -> None:
    answers = [function.invoke({}, patience_seconds=PATIENCE) for _ in range(2)]

    assert [find(answer, "calls") for answer in answers] == [1, 2]
    assert find(answers[0], "process") == find(answers[1], "process")
    assert find(answers[0], "id") != find(answers[1], "id")


def test_a_function_gets_more_environments_up_to_a_limit(function: Function) -> None:
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda _: function.invoke({}, patience_seconds=PATIENCE), range(24)))

    assert 1 <= len({find(answer, "process") for answer in answers}) <= MAX_ENVIRONMENTS


@pytest.mark.parametrize("fault", ["raise", "strange"])
def test_a_failed_invocation_leaves_its_environment_in_use(function: Function, fault: str) -> None:
    with pytest.raises(FunctionFailed):
        function.invoke({"do": fault}, patience_seconds=PATIENCE)

    assert find(function.invoke({}, patience_seconds=PATIENCE), "calls") == 2


def test_an_environment_that_ends_is_replaced(function: Function) -> None:
    with pytest.raises(FunctionFailed):
        function.invoke({"do": "exit"}, patience_seconds=PATIENCE)

    assert find(function.invoke({}, patience_seconds=PATIENCE), "calls") == 1


def test_an_environment_that_ended_while_idle_fails_no_call(function: Function) -> None:
    process = int(str(find(function.invoke({}, patience_seconds=PATIENCE), "process")))
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)

    answer = function.invoke({}, patience_seconds=PATIENCE)

    assert find(answer, "calls") == 1
    assert find(answer, "process") != process


def test_an_invocation_that_takes_too_long_is_killed(code: Path, log: TextIO) -> None:
    function = Function(replace(DEPLOYED, timeout_seconds=1), code, {}, log)

    with pytest.raises(FunctionFailed):
        function.invoke({"do": "wait"}, patience_seconds=PATIENCE)

    assert find(function.invoke({}, patience_seconds=PATIENCE), "calls") == 1
    function.stop()


def test_a_caller_may_give_up_before_the_function(function: Function) -> None:
    with pytest.raises(StillRunning):
        function.invoke({"do": "wait"}, patience_seconds=0.1)


def test_an_event_over_lambda_s_limit_is_refused(function: Function) -> None:
    with pytest.raises(EventTooLarge):
        function.invoke({"body": "x" * MAX_EVENT}, patience_seconds=PATIENCE)


def test_a_module_that_cannot_be_imported_is_an_error_with_its_reason(code: Path, log: TextIO) -> None:
    (code / "app.py").write_text("raise RuntimeError('SETTING: give it a value')", encoding="utf-8")
    function = Function(DEPLOYED, code, {}, log)

    with pytest.raises(FunctionDidNotStart, match="SETTING: give it a value"):
        function.wait_until_ready()

    function.stop()


def test_a_stopped_function_starts_no_environment(function: Function) -> None:
    function.stop()

    with pytest.raises(FunctionFailed):
        function.invoke({}, patience_seconds=PATIENCE)


def test_stopping_ends_running_calls_and_their_callers(function: Function) -> None:
    with ThreadPoolExecutor(MAX_ENVIRONMENTS + 2) as callers:
        calls = [
            callers.submit(function.invoke, {"do": "wait"}, patience_seconds=PATIENCE)
            for _ in range(MAX_ENVIRONMENTS + 2)
        ]
        function.stop()

        failures = [call.exception(PATIENCE) for call in calls]
    assert {type(failure) for failure in failures} == {FunctionFailed}


def test_a_function_s_prints_are_in_the_log(function: Function, code: Path) -> None:
    function.invoke({"do": "this"}, patience_seconds=PATIENCE)

    assert (code / "functions.log").read_text(encoding="utf-8").split("\n")[:2] == ["imported", "handled this"]
