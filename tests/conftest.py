"""For all tests."""

import os
import sys
from collections.abc import Callable, Iterator

import pytest

# Tiny tensors: one thread each, instead of threads that wait for one another on a busy machine.
# Before torch is imported, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def forget_plugins() -> Iterator[Callable[[], None]]:
    """Forgets what a test plugged in, when it is called and at the end: as a new process would."""
    from foveate import attention
    from foveate.attention import _registry

    before, modules = {name: attention.entry(name) for name in attention.names()}, set(sys.modules)

    def forget() -> None:
        _registry._ENTRIES.clear()
        _registry._ENTRIES.update(before)
        for name in set(sys.modules) - modules:
            if name.startswith("foveate_plugin_"):
                del sys.modules[name]

    yield forget
    forget()
