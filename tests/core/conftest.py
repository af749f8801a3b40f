"""The core does no I/O; its tests enforce this."""

import hypothesis
import pytest_socket

# Tests about time measure it themselves. Other tests must not fail because the machine is busy.
hypothesis.settings.register_profile("core", deadline=None)
hypothesis.settings.load_profile("core")


def pytest_runtest_setup() -> None:
    pytest_socket.disable_socket()
