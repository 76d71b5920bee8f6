"""Masks of all objects of a json, in a few arrays: small, and quick to share."""

from array import array
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from vild.data.object_masks import Segment
from vild.data.rle import covered


class Segments:
    """The `segmentation` of many annotations, added one after another.

    Polygons of a million objects are millions of lists of numbers in Python; here
    they are one array, which forked processes share and others get in one piece.

    Example:
        >>> segments = Segments()
        >>> segments.add([[1, 1, 3, 1, 3, 4]])
        >>> segments.add(None)
        >>> segments[0], segments[1]
        ([array([1., 1., 3., 1., 3., 4.])], None)
    """

    def __init__(self) -> None:
        self._numbers = array("d")
        self._polygon_ends = array("q", [0])  # in the numbers
        self._object_ends = array("q", [0])  # in the polygons
        self._runs: dict[int, Mapping[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._object_ends) - 1

    def add(self, segmentation: Any) -> None:
        """Adds that of the next annotation.

        Args:
            segmentation: polygons, run lengths, or None or an empty list for none.

        Raises:
            TypeError: if it is neither; nothing is added then.
            ValueError: as well.
        """
        if isinstance(segmentation, Mapping):
            self._runs[len(self)] = _checked_runs(segmentation)
        elif segmentation:
            before = len(self._numbers), len(self._polygon_ends)
            try:
                for polygon in segmentation:
                    if len(polygon) % 2:
                        raise ValueError("a polygon has an odd number of numbers")
                    self._numbers.extend(polygon)
                    self._polygon_ends.append(len(self._numbers))
            except BaseException:
                del self._numbers[before[0] :], self._polygon_ends[before[1] :]
                raise
        self._object_ends.append(len(self._polygon_ends) - 1)

    def present(self, rows: np.ndarray) -> bool:
        """Tells whether each of some annotations has a mask.

        Args:
            rows: (M,) numbers of annotations.

        Returns:
            True if none is without.
        """
        ends = np.frombuffer(self._object_ends, np.int64)
        there = ends[1:] > ends[:-1]
        there[list(self._runs)] = True
        return bool(there[rows].all())

    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """The sizes of those that are run lengths.

        Returns:
            (M,) int64 numbers of annotations; (M, 2) int64 heights and widths.
        """
        sizes = np.array([runs["size"] for runs in self._runs.values()], np.int64)
        return np.array([*self._runs], np.int64), sizes.reshape(-1, 2)

    def __getitem__(self, index: int) -> Segment | None:
        if index in self._runs:
            return self._runs[index]
        first, last = self._object_ends[index], self._object_ends[index + 1]
        if first == last:
            return None
        ends = self._polygon_ends[first : last + 1]
        return [
            np.array(self._numbers[start:stop], np.float64)
            for start, stop in pairwise(ends)
        ]


def _checked_runs(runs: Mapping[str, Any]) -> Mapping[str, Any]:
    size, counts = runs["size"], runs["counts"]
    height, width = map(int, size)
    if isinstance(counts, str):
        sound = covered([counts])[0] == height * width
    else:
        counts = np.array(counts, np.int64)
        sound = (counts >= 0).all() and counts.sum() == height * width
    if not sound:  # comparing them would never end
        raise ValueError(f"the runs do not cover {height} x {width} pixels")
    return {"size": (height, width), "counts": counts}
