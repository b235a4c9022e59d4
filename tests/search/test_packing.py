from typing import Any

import pytest
import ray

from foveate.search.packing import Packing, best, measured, packings
from foveate.spaces import Placement
from foveate.workers.data import Data
from foveate.workers.recipe import Recipe


@pytest.mark.parametrize(
    ("cpus", "gpus", "found"),
    [
        (2, 0, [(2, 0, 1), (1, 0, 2)]),
        (6, 0, [(6, 0, 1), (3, 0, 2), (2, 0, 3), (1, 0, 6)]),
        (7, 0, [(7, 0, 1), (1, 0, 7)]),
        (1, 0, [(1, 0, 1)]),
        (4, 1, [(4, 1, 1), (2, 1 / 2, 2), (1, 1 / 3, 3), (1, 1 / 4, 4)]),
        (16, 2, [(8, 1, 2), (4, 1 / 2, 4), (2, 1 / 3, 6), (2, 1 / 4, 8), (1, 1 / 6, 12)]),
    ],
)
def test_the_ways_worth_a_try_fit_the_machine(
    cpus: int, gpus: int, found: list[tuple[int, float, int]]
) -> None:
    ways = packings(cpus, gpus)
    few = [way for way in ways if gpus == 0 or way.workers <= 12]
    assert [(way.threads, way.gpus, way.workers) for way in few] == found
    for way in ways:
        assert way.threads * way.workers <= max(cpus, way.workers)
        assert way.workers <= cpus
        assert way.gpus * way.workers <= gpus + 1e-9


def test_the_fastest_is_taken_and_of_equals_the_one_with_the_fewest_at_once() -> None:
    one, two, four = (Packing(4 // n, 0.0, n) for n in (1, 2, 4))
    assert best({one: 100.0, two: 180.0, four: 200.0}) == four
    assert best({four: 182.0, one: 100.0, two: 180.0}) == two
    assert best({one: 100.0, two: 104.0}) == one
    with pytest.raises(ValueError, match="no packing to choose from"):
        best({})


def test_a_packing_is_told_in_words() -> None:
    assert str(Packing(1, 0.0, 2)) == "2 at once, each with 1 thread"
    assert str(Packing(4, 1 / 3, 3)) == "3 at once, each with 4 threads and 0.333 GPU"


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "plugins": [],
        "backbones": [],
        "placement": Placement("resnet8").spelling,
        "data": Data(name="digits").to_dict(),
        "recipe": Recipe(batch=64).to_dict(),
    }


@pytest.mark.slow
def test_real_workers_are_measured_beside_one_another(config: dict[str, Any]) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    said: list[str] = []
    try:
        rates = measured(packings(2, 0), config, said.append)
        assert list(rates) == packings(2, 0) and all(rate > 50 for rate in rates.values())
        assert len(said) == 2 and said[0].startswith("1 at once, each with 2 threads: ")
        with pytest.raises(ray.exceptions.RayError, match="no backbone"):
            measured(packings(2, 0), config | {"placement": Placement("no").spelling}, said.append)
    finally:
        ray.shutdown()
