"""Every mutation of the product and of the checker. Add one for each promise whose loss must not pass unseen."""

from tests.mutants.mutation import Mutation
from tests.mutants.of_configuration import OF_CONFIGURATION
from tests.mutants.of_instruments import OF_INSTRUMENTS
from tests.mutants.of_ledger import OF_LEDGER
from tests.mutants.of_limits import OF_LIMITS
from tests.mutants.of_requests import OF_REQUESTS
from tests.mutants.of_transports import OF_TRANSPORTS

MUTATIONS: tuple[Mutation, ...] = (
    *OF_LEDGER,
    *OF_LIMITS,
    *OF_REQUESTS,
    *OF_CONFIGURATION,
    *OF_TRANSPORTS,
    *OF_INSTRUMENTS,
)
