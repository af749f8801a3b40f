"""Import one module in this new process, then print the CPU seconds that the process has used so far."""

import importlib
import resource
import sys

importlib.import_module(sys.argv[1])
_usage = resource.getrusage(resource.RUSAGE_SELF)
sys.stdout.write(f"{_usage.ru_utime + _usage.ru_stime}\n")
