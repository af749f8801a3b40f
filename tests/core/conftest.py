"""The core does no I/O, and its tests hold it to that."""

import hypothesis
import pytest_socket

# Examples are timed where time is the point; two busy cores are no reason to fail.
hypothesis.settings.register_profile("core", deadline=None)
hypothesis.settings.load_profile("core")


def pytest_runtest_setup() -> None:
    pytest_socket.disable_socket()
