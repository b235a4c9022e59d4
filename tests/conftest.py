"""For all tests."""

import os

# Tiny tensors: one thread each, instead of threads that wait for one another on a busy machine.
# Before torch is imported, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
