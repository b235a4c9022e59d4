"""For all tests."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from urllib.request import Request, urlopen

import pytest

# Tiny tensors: one thread each, instead of threads that wait for one another on a busy machine.
# Before torch is imported, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _no_packs_in_the_users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The address of a bucket of a server that speaks S3."""
    server = pytest.importorskip("moto.server", reason="moto[server], an S3 API, is not installed")
    with pytest.MonkeyPatch.context() as patch, socket.socket() as free:
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "knows")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        s3 = server.ThreadedMotoServer("127.0.0.1", port, verbose=False)
        s3.start()
        urlopen(Request(f"http://127.0.0.1:{port}/runs", method="PUT"))
        query = f"endpoint_override=http://127.0.0.1:{port}&region=us-east-1&scheme=http"
        yield f"s3://runs/of mine?{query}".replace(" ", "%20")
        s3.stop()
