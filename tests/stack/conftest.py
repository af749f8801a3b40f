from collections.abc import Iterator

import pytest

from tests.support import embedded
from tests.support.embedded import Running


@pytest.fixture(scope="session")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with embedded.running(tmp_path_factory.mktemp("embedded")) as running:
        yield running
