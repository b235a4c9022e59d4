"""ResNets for small images whose blocks normalise first: 6n + 2 layers, or 6n + 4 wide ones."""

import torch
from torch import Tensor, nn


class PreactBlock(nn.Module):
    """Norm, ReLU, convolution, twice, beside a shortcut (He et al., ECCV 2016).

        y = shortcut(a) + conv2(relu(bn2(conv1(a)))),   a = relu(bn1(x))

    The shortcut is a 1x1 convolution of ``a`` where the shape changes, and ``x`` itself elsewhere.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut: nn.Conv2d | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        active = torch.relu(self.bn1(x_NCHW))
        through = x_NCHW if self.shortcut is None else self.shortcut(active)
        branch: Tensor = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return through + branch


class _PreactStages(nn.Module):
    """A convolution, three stages of 16, 32 and 64 channels times ``width``, norm, mean, linear."""

    def __init__(self, blocks: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.layer1 = _preact_stage(16, 16 * width, 1, blocks)
        self.layer2 = _preact_stage(16 * width, 32 * width, 2, blocks)
        self.layer3 = _preact_stage(32 * width, 64 * width, 2, blocks)
        self.bn = nn.BatchNorm2d(64 * width)
        self.fc = nn.Linear(64 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_N3HW: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x_N3HW))))
        logits: Tensor = self.fc(torch.relu(self.bn(x)).mean((2, 3)))
        return logits


class PreactResNet(_PreactStages):
    """The pre-activation ResNet of ``depth`` layers, 6n + 2 (https://arxiv.org/abs/1603.05027).

    Shapes
        in   x_N3HW, H and W of at least 8; made for 24 to 40 pixels
        out  logits_NK for K ``classes``
    """

    def __init__(self, depth: int, classes: int) -> None:
        if depth < 8 or depth % 6 != 2:
            raise ValueError(
                f"a pre-activation ResNet has 6n + 2 layers (8, 14, 20, ...), got {depth}"
            )
        super().__init__((depth - 2) // 6, 1, classes)


class WideResNet(_PreactStages):
    """WRN-``depth``-``width``: 6n + 4 layers, as the shortcuts count (Zagoruyko & Komodakis, 2016).

    Without dropout, which its authors use in some runs (https://arxiv.org/abs/1605.07146).

    Shapes
        in   x_N3HW, H and W of at least 8; made for 24 to 40 pixels
        out  logits_NK for K ``classes``
    """

    def __init__(self, depth: int, width: int, classes: int) -> None:
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"a WideResNet has 6n + 4 layers (10, 16, 22, ...), got {depth}")
        if width < 1:
            raise ValueError(f"a WideResNet is at least 1 wide, got {width}")
        super().__init__((depth - 4) // 6, width, classes)


def _preact_stage(inputs: int, outputs: int, stride: int, blocks: int) -> nn.Sequential:
    first = PreactBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(PreactBlock(outputs, outputs, 1) for _ in range(blocks - 1)))
