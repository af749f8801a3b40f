"""The whole service under random faults, with every message accounted for."""

import tests.conftest  # noqa: F401 -- functions read their environment when they are imported
