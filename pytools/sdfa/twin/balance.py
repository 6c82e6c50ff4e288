"""The integer twin's class balance (firmware/SPEC.md 4.5)."""

from __future__ import annotations

WEIGHT_ONE = 1 << 15
WEIGHT_MAX = 4 * WEIGHT_ONE
_SUM_MAX = 65535


class Balance:
    """Counts of the labels, and what a sample of each weighs."""

    def __init__(self, class_n: int) -> None:
        self.counts = [0] * class_n

    def count(self, label: int) -> int:
        """Counts the label; the weight of its class, Q15."""
        if sum(self.counts) == _SUM_MAX:
            self.counts = [(n + 1) >> 1 for n in self.counts]
        self.counts[label] += 1
        present = sum(n > 0 for n in self.counts)
        return min(max((sum(self.counts) << 15) // (present * self.counts[label]), 1), WEIGHT_MAX)
