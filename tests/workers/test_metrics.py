from collections import Counter
from math import isclose
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from foveate.workers.metrics import Measured, Tally
from foveate.workers.recipe import LOSSES, METRICS

CPU = torch.device("cpu")


def tallied(
    loss: str, logits: torch.Tensor, labels: torch.Tensor, batch: int | None = None
) -> Measured:
    tally = Tally(loss, logits.shape[1], CPU)
    size = batch or len(logits)
    for part, those in zip(logits.split(size), labels.split(size), strict=True):
        tally.add(part, those)
    return tally.result()


@given(st.integers(2, 9), st.integers(1, 60), st.integers(0, 10**6))
def test_classes_are_counted_as_by_hand(classes: int, count: int, seed: int) -> None:
    rng = Random(seed)
    scores = [[rng.random() for _ in range(classes)] for _ in range(count)]
    labels = [rng.randrange(classes) for _ in range(count)]
    found = tallied("cross-entropy", torch.tensor(scores), torch.tensor(labels), batch=7)
    orders = [sorted(range(classes), key=lambda c: -row[c]) for row in scores]
    top1 = [order[0] == label for order, label in zip(orders, labels, strict=True)]
    top5 = [label in order[:5] for order, label in zip(orders, labels, strict=True)]
    seen = Counter(labels)
    right = Counter(label for label, hit in zip(labels, top1, strict=True) if hit)
    shares = [right[c] / seen[c] if seen[c] else None for c in range(classes)]
    there = [share for share in shares if share is not None]
    assert found["top-1"] == pytest.approx(sum(top1) / count)
    assert found["top-5"] == pytest.approx(sum(top5) / count)
    assert found["balanced"] == pytest.approx(sum(there) / len(there))
    assert found["worst-class"] == pytest.approx(min(there))
    assert found["per-class"] == pytest.approx(shares, abs=1e-4)


def test_balanced_accuracy_is_scikit_learns() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(400, 6), torch.randint(0, 6, (400,)) ** 2 % 6
    found = tallied("cross-entropy", logits, labels)
    assert found["balanced"] == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))


def test_the_metrics_of_labels_are_scikit_learns() -> None:
    torch.manual_seed(1)
    logits, labels = torch.randn(300, 5) + 0.5, (torch.rand(300, 5) < 0.3).float()
    labels[:, 3] = 0  # on no image: left out of the means, as it has no precision
    logits += 2 * labels
    found = tallied("binary", logits, labels, batch=70)
    there = [0, 1, 2, 4]
    ap = average_precision_score(labels[:, there], logits[:, there], average="macro")
    f1 = f1_score(labels[:, there], logits[:, there] > 0, average="macro")
    assert found["mean-ap"] == pytest.approx(ap)
    assert found["macro-f1"] == pytest.approx(f1)
    exact = ((logits > 0) == labels.bool()).all(1).float().mean()
    assert found["exact-match"] == pytest.approx(float(exact))
    per_class = found["per-class"]
    assert isinstance(per_class, list) and per_class[3] is None


@pytest.mark.parametrize("loss", LOSSES)
def test_batches_make_no_difference(loss: str) -> None:
    torch.manual_seed(2)
    logits = torch.randn(101, 10)
    labels = torch.randint(0, 10, (101,)) if loss == "cross-entropy" else (logits > 1).float()
    whole = tallied(loss, logits, labels)
    assert tallied(loss, logits, labels, batch=8) == whole
    assert {*METRICS[loss], "per-class"} == {*whole}


def test_what_is_no_number_is_wrong() -> None:
    logits = torch.full((4, 3), torch.nan)
    found = tallied("cross-entropy", logits, torch.tensor([0, 1, 2, 0]))
    assert found["top-1"] == found["top-5"] == found["balanced"] == 0
    several = tallied("binary", logits, torch.ones(4, 3))
    assert several["macro-f1"] == several["exact-match"] == 0


def test_half_precision_is_counted_in_full() -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 1.0]], dtype=torch.bfloat16)
    found = tallied("cross-entropy", logits, torch.tensor([1, 1]))
    assert isclose(float(str(found["top-1"])), 0.5)
