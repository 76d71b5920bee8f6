"""Regions that a teacher has looked at itself, crop by crop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vild import matching
from vild.names import ClassName
from vild.regions import Regions
from vild.results import Detections
from vild.settings import Settings
from vild.vocabulary import Vocabulary


@dataclass(eq=False, repr=False)
class CropRegions(Regions):
    """Regions whose embeddings are those of the teacher.

    The score of a class is `objectness^w * p^(1 - w)`, where p is the softmax over the
    classes of the cosines with their words, times the temperature. There is no
    background: what is none of the classes gets one of them, with the score that its
    objectness leaves it.

    Attributes:
        objectness_weight: w, from 0 to 1.

    Source: paper section 3.2 and table 2 ("CLIP on cropped regions", with objectness:
    the geometric mean).
    """

    objectness_weight: float = 0.5

    def scores(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        *,
        base: Any = None,
        chunk_size: int | None = None,
    ) -> np.ndarray:
        """The score of every class at every region; see `Regions.scores`.

        Args:
            classes: as there.
            base: plays no part.
            chunk_size: plays no part.

        Returns:
            (N, K) float32.
        """
        del chunk_size
        return self._scores(self._words(classes, base))

    def detections(
        self,
        words: Vocabulary,
        chosen: Settings,
        *,
        masks_now: bool = False,
        chunk_size: int | None = None,
    ) -> Detections:
        """`detect` with everything decided; see `Regions.detections`.

        Args:
            words: a vocabulary.
            chosen: the settings; `rivals` plays no part.
            masks_now: as there.
            chunk_size: plays no part.

        Returns:
            Detections, best first.
        """
        del chunk_size
        found = matching.detect_scored(self._scores(words), self.model_boxes, chosen)
        return self._found(words, *found, masks=chosen.masks, masks_now=masks_now)

    def _scores(self, words: Vocabulary) -> np.ndarray:
        logits = self.temperature * (self.text_embeddings @ words.embeddings.T)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        sure = np.maximum(self.objectness, 0)[:, None]  # less: rows that fill up
        weight = self.objectness_weight
        scores = sure**weight * shares ** (1 - weight)
        return np.where(self.objectness[:, None] < 0, 0, scores).astype("float32")
