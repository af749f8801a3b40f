"""What a message costs the client where the line costs nothing: compose and send, CPU, memory, messages a second."""

from benchmarks.content import Size
from benchmarks.rig import Errand
from benchmarks.scenarios import Scenario
from benchmarks.spec import Security

SMALL = "2 KB, implicit TLS"
SMALL_WITHOUT_CHUNKING = "2 KB, implicit TLS, PIPELINING only"
LARGE = "5 MB attachment, implicit TLS"

SCENARIOS = (
    Scenario(SMALL, Errand(), 500, 500),
    Scenario(SMALL_WITHOUT_CHUNKING, Errand(chunking=False), 500, 500),
    Scenario("2 KB, STARTTLS", Errand(security=Security.STARTTLS), 300, 300),
    Scenario("2 KB, in clear", Errand(security=Security.PLAIN), 300, 300),
    Scenario("2 KB, implicit TLS, new connections", Errand(cold=True), 60, 30),
    Scenario("100 KB, implicit TLS", Errand(size=Size.MEDIUM), 150, 150),
    Scenario("100 KB, implicit TLS, PIPELINING only", Errand(size=Size.MEDIUM, chunking=False), 150, 150),
    Scenario(LARGE, Errand(size=Size.LARGE), 8, 3),
    Scenario("5 MB attachment, implicit TLS, PIPELINING only", Errand(size=Size.LARGE, chunking=False), 8, 3),
)
