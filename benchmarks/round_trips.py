"""Round trips a message, 20 ms each: on a connection that is there already, and on a new one."""

from benchmarks.rig import Errand
from benchmarks.scenarios import Scenario
from benchmarks.spec import Security

WARM = "warm, implicit TLS"
WARM_WITHOUT_CHUNKING = "warm, implicit TLS, PIPELINING only"
WARM_50_RECIPIENTS = "warm, implicit TLS, 50 recipients"
COLD = "cold, implicit TLS"
COLD_STARTTLS = "cold, STARTTLS"

SCENARIOS = (
    Scenario(WARM, Errand(slow=True), 60, 5),
    Scenario(WARM_WITHOUT_CHUNKING, Errand(slow=True, chunking=False), 60, 5),
    Scenario("warm, STARTTLS", Errand(slow=True, security=Security.STARTTLS), 60, 5),
    Scenario("warm, in clear", Errand(slow=True, security=Security.PLAIN), 60, 5),
    Scenario(WARM_50_RECIPIENTS, Errand(slow=True, recipients=50), 10, 2),
    Scenario(COLD, Errand(slow=True, cold=True), 15, 2),
    Scenario(COLD_STARTTLS, Errand(slow=True, cold=True, security=Security.STARTTLS), 15, 2),
    Scenario("cold, in clear", Errand(slow=True, cold=True, security=Security.PLAIN), 15, 2),
)
