"""A recurrent net that reads an image row by row, as a sentence is read word by word.

Each row, all of its pixels and channels, is one step of a GRU (Cho et al. 2014), as in the
sequential-MNIST experiments of Le, Jaitly & Hinton (2015). Its cost grows with the width alone,
step by step, which suits a device that gets an image from a line sensor.
"""

from __future__ import annotations

from torch import Tensor, nn


class RowGRU(nn.Module):
    """A GRU over the rows; its last state is classified."""

    def __init__(self, num_classes: int, in_channels: int, width: int, hidden: int = 128) -> None:
        super().__init__()
        self.gru = nn.GRU(in_channels * width, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x.permute(0, 2, 1, 3).flatten(2))
        return self.head(self.dropout(states[:, -1]))  # type: ignore[no-any-return]
