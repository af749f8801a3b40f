"""The cost of composing and sending without latency: CPU, memory, and messages per second."""

from benchmarks.content import Size
from benchmarks.rig import Task
from benchmarks.scenarios import Scenario
from benchmarks.spec import Security

SMALL = "2 KB, implicit TLS"
SMALL_WITHOUT_CHUNKING = "2 KB, implicit TLS, PIPELINING only"
LARGE = "5 MB attachment, implicit TLS"

SCENARIOS = (
    Scenario(SMALL, Task(), 500, 500),
    Scenario(SMALL_WITHOUT_CHUNKING, Task(chunking=False), 500, 500),
    Scenario("2 KB, STARTTLS", Task(security=Security.STARTTLS), 300, 300),
    Scenario("2 KB, in clear", Task(security=Security.PLAIN), 300, 300),
    Scenario("2 KB, implicit TLS, new connections", Task(cold=True), 60, 30),
    Scenario("100 KB, implicit TLS", Task(size=Size.MEDIUM), 150, 150),
    Scenario("100 KB, implicit TLS, PIPELINING only", Task(size=Size.MEDIUM, chunking=False), 150, 150),
    Scenario(LARGE, Task(size=Size.LARGE), 8, 3),
    Scenario("5 MB attachment, implicit TLS, PIPELINING only", Task(size=Size.LARGE, chunking=False), 8, 3),
)
