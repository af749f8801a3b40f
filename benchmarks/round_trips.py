"""Round trips per message, 20 ms each: on an open connection and on a new one."""

from benchmarks.rig import Task
from benchmarks.scenarios import Scenario
from benchmarks.spec import Security

WARM = "warm, implicit TLS"
WARM_WITHOUT_CHUNKING = "warm, implicit TLS, PIPELINING only"
WARM_50_RECIPIENTS = "warm, implicit TLS, 50 recipients"
COLD = "cold, implicit TLS"
COLD_STARTTLS = "cold, STARTTLS"

SCENARIOS = (
    Scenario(WARM, Task(slow=True), 60, 5),
    Scenario(WARM_WITHOUT_CHUNKING, Task(slow=True, chunking=False), 60, 5),
    Scenario("warm, STARTTLS", Task(slow=True, security=Security.STARTTLS), 60, 5),
    Scenario("warm, in clear", Task(slow=True, security=Security.PLAIN), 60, 5),
    Scenario(WARM_50_RECIPIENTS, Task(slow=True, recipients=50), 10, 2),
    Scenario(COLD, Task(slow=True, cold=True), 15, 2),
    Scenario(COLD_STARTTLS, Task(slow=True, cold=True, security=Security.STARTTLS), 15, 2),
    Scenario("cold, in clear", Task(slow=True, cold=True, security=Security.PLAIN), 15, 2),
)
