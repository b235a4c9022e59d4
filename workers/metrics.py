"""What a model gets right, counted on the device: nothing waits until the counts are read."""

import torch
from torch import Tensor

from .recipe import LOSSES

__all__ = ["Measured", "Tally"]

Measured = dict[str, float | list[float | None]]  # a metric's name -> its share, or one a class


class Tally:
    """Counts of one pass over labelled images; ``result`` says what they come to.

    Shapes
        logits  (n, classes), in any number of batches
        labels  int64 (n,), or of ``loss="binary"`` 0 and 1 in float32 (n, classes)

    Metrics, all shares from 0 to 1
        top-1        images whose label has the highest logit
        top-5        images whose label is among the five highest
        per-class    top-1 of the images of each class; None of a class that has none
        balanced     mean of per-class over the classes that have images
        worst-class  least of per-class
        mean-ap      average precision of each class, sorted by its logit, averaged over the
                     classes that are on some image
        macro-f1     F1 of each class at logit 0, averaged likewise
        exact-match  images of which every label is right at logit 0

    With ``loss="binary"`` per-class is the average precision of each class. A logit that is no
    number counts as wrong, never as right.
    """

    def __init__(self, loss: str, classes: int, device: torch.device) -> None:
        assert loss in LOSSES
        self.loss, self.classes = loss, classes
        self.counts = torch.zeros(3, classes, dtype=torch.int64, device=device)
        self.seen: list[tuple[Tensor, Tensor]] = []  # of loss binary: its metrics sort them all

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count one batch."""
        logits = logits.detach().float()
        if self.loss == "binary":
            self.seen.append((logits.nan_to_num(nan=-torch.inf), labels))
            return
        five = logits.topk(min(5, self.classes)).indices == labels[:, None]
        first = logits.argmax(1) == labels
        sound = ~logits.isnan().any(1)
        hits = torch.stack([torch.ones_like(sound), first & sound, five.any(1) & sound])
        self.counts.scatter_add_(1, labels.expand(3, -1), hits.long())

    def result(self) -> Measured:
        """Each metric of this loss by its name. The one wait for the device."""
        return self._of_labels() if self.loss == "binary" else self._of_classes()

    def _of_classes(self) -> Measured:
        total, first, five = self.counts.double().cpu()
        per_class = first / total
        there = per_class[total > 0]
        return {
            "top-1": float(first.sum() / total.sum()),
            "top-5": float(five.sum() / total.sum()),
            "balanced": float(there.mean()),
            "worst-class": float(there.min()),
            "per-class": _listed(per_class),
        }

    def _of_labels(self) -> Measured:
        logits, labels = (torch.cat(parts) for parts in zip(*self.seen, strict=True))
        there = labels.sum(0) > 0
        order = logits.argsort(dim=0, descending=True, stable=True)
        found = labels.gather(0, order).double()
        ranks = torch.arange(1, len(found) + 1, device=found.device)[:, None]
        precision = found.cumsum(0) / ranks
        average = (precision * found).sum(0) / found.sum(0)
        named = (logits > 0).double()
        both = (named * labels).sum(0)
        f1 = 2 * both / (named.sum(0) + labels.sum(0))
        return {
            "mean-ap": float(average[there].mean()),
            "macro-f1": float(f1[there].mean()),
            "exact-match": float((named == labels).all(1).double().mean()),
            "per-class": _listed(average),
        }


def _listed(shares: Tensor) -> list[float | None]:
    return [None if share != share else round(share, 4) for share in shares.tolist()]
