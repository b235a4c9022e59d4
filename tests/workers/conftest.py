"""One thread, so that the same numbers come on any machine with the tests beside one another."""

import pytest
import torch

from foveate.workers.data import Data, Images, load
from foveate.workers.recipe import Recipe


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Images:
    """1,797 real scans of 8 x 8 pixels: an epoch of the smallest network takes half a second."""
    return load(Data(name="digits"))


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(epochs=2, batch=64)
