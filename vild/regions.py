"""Regions x Vocabulary -> Detections: any words, any number of times."""

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from vild import matching, region_search
from vild.backends import keras
from vild.data.masks import LazyMasks, paste_masks
from vild.errors import InputError
from vild.names import ClassName
from vild.ops import scoring
from vild.results import Detections
from vild.settings import DetectOverrides, Settings
from vild.teachers.fingerprints import Fingerprint
from vild.vocabulary import Vocabulary
from vild.vocabulary_checks import check_dim, check_space

if TYPE_CHECKING:
    from vild.detector import Detector

ops = keras.ops


@dataclass(eq=False, repr=False)
class Regions:
    """What a detector saw in one photo, before anybody said a word.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the original image. As
            released, they are clipped to the model input, not to the image.
        objectness: (N,) float32, descending; -1 marks rows that only fill up.
        text_embeddings: (N, D) float32 unit vectors of the text branch.
        image_embeddings: (N, D) float32 unit vectors of the image branch; None
            without one.
        model_boxes: (N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        background: (D,) float32, the learned vector of "nothing asked for".
        image_size: (H, W) of the original image.
        settings: defaults for `detect`.
        detector: knows the words and draws the masks; None after `load`.
        features: pyramid maps of this photo on the device, which masks need.
        teacher: fingerprint of the space the vectors are in; None if not known.
        temperature: what cosines with words are multiplied by, of the model.

    Example:
        >>> regions = detector.encode("street.jpg")
        >>> regions.detect(["traffic cone"]).boxes
        >>> regions.detect(["scooter", "bicycle"]).boxes  # milliseconds
    """

    boxes: np.ndarray
    objectness: np.ndarray
    text_embeddings: np.ndarray
    image_embeddings: np.ndarray | None
    model_boxes: np.ndarray
    background: np.ndarray
    image_size: tuple[int, int]
    settings: Settings = field(default_factory=Settings)
    detector: "Detector | None" = None
    features: list[Any] | None = None
    teacher: Fingerprint | None = None
    temperature: float = scoring.TEMPERATURE

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"Regions({len(self)} in a {width}x{height} photo)"

    @functools.cached_property
    def embeddings(self) -> np.ndarray:
        """(N, D) float32 unit vectors: normalise(2 * text + image branch)."""
        merged = scoring.merge(self.text_embeddings, self.image_embeddings)
        return ops.convert_to_numpy(merged)

    def detect(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        *,
        base: Any = None,
        chunk_size: int | None = None,
        **settings: Unpack[DetectOverrides],
    ) -> Detections:
        """Finds what the words name.

        Args:
            classes: names, lists of synonyms, or a `Vocabulary`; None for the
                detector's own classes.
            base: (K,) bools or True, which classes count as base classes of the
                ensemble; None: by name, which only a detector can tell (without one
                all count as base).
            chunk_size: classes compared at a time, which bounds the memory for
                large vocabularies and changes no result; None: chosen here.
            **settings: `score_threshold`, `max_detections`, `nms_iou`,
                `pre_nms_detections`, `rivals`, `masks`; see `vild.settings.Settings`.

        Returns:
            Detections, best first. Masks are computed when asked for.

        Raises:
            InputError: for words that cannot be used or settings out of range.

        Example:
            >>> regions.detect(["cat", ["sofa", "couch"]], score_threshold=0.3)

        Source: paper section 3.4; released post-processing.
        """
        words = self._words(classes, base)
        chosen = self.settings.replace(settings, DetectOverrides)
        return self.detections(words, chosen, chunk_size=chunk_size)

    def detections(
        self,
        words: Vocabulary,
        chosen: Settings,
        *,
        masks_now: bool = False,
        chunk_size: int | None = None,
    ) -> Detections:
        """`detect` with everything decided.

        Args:
            words: a vocabulary with base flags.
            chosen: the settings.
            masks_now: run the mask head at once, so that the result does not
                hold on to the features.
            chunk_size: as for `detect`.

        Returns:
            Detections, best first.
        """
        rivals = self._rivals(words) if chosen.rivals else None
        found = matching.detect(self._arrays, words, chosen, chunk_size, rivals)
        return self._found(words, *found, masks=chosen.masks, masks_now=masks_now)

    def _found(
        self,
        words: Vocabulary,
        region: np.ndarray,
        class_ids: np.ndarray,
        scores: np.ndarray,
        *,
        masks: bool = True,
        masks_now: bool = False,
    ) -> Detections:
        """The chosen regions as detections."""
        promise: Any = None
        if masks and self.features is not None and self.detector is not None:
            promise = _MaskPromise(self.detector, self, region)
            if masks_now:
                boxes = self.boxes[region]
                promise = LazyMasks(promise.crops(), boxes, self.image_size)
        return Detections(
            self.boxes[region],
            scores,
            class_ids,
            [words.names[i] for i in class_ids],
            self.image_size,
            embeddings=self.embeddings[region],
            masks=promise,
        )

    def scores(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        *,
        base: Any = None,
        chunk_size: int | None = None,
    ) -> np.ndarray:
        """The score of every class at every region, before any selection.

        Args:
            classes: as for `detect`.
            base: as for `detect`.
            chunk_size: as for `detect`.

        Returns:
            (N, K) float32. They do not sum to 1: the rest is background, and with the
            setting `rivals` what competes.

        Example:
            >>> regions.scores(["cat", "dog"]).shape
            (1000, 2)
        """
        words = self._words(classes, base)
        rivals = self._rivals(words) if self.settings.rivals else None
        return matching.scores(self._arrays, words, chunk_size, rivals)

    def similarity(self, query: Any) -> np.ndarray:
        """How alike every region is to a text, a picture or a vector.

        Args:
            query: a text; a picture of the thing, cut out (a `pathlib.Path`, a PIL
                image or an (H, W, 3) uint8 array, as the teacher has an image
                encoder); (D,) or (Q, D) float vectors; a `Vocabulary`; or a list
                of texts or of pictures, where a list of texts in the list is a set
                of synonyms.

        Returns:
            (N,) float32 cosines with `embeddings`, -1 to 1; (N, Q) for several.

        Raises:
            InputError: for what cannot be looked for.
            TeacherError: if it needs a teacher, and there is none that can.

        Example:
            >>> best = regions.similarity("red scooter").argmax()
            >>> regions.boxes[best]
        """
        rows = self._query(query).embeddings
        found = self.embeddings @ rows.T
        return found[:, 0] if region_search.is_single(query) else found

    def search(
        self,
        query: Any,
        *,
        score_threshold: float = -1.0,
        max_detections: int = 10,
        nms_iou: float = 0.5,
    ) -> Detections:
        """The boxes that look most like one thing.

        Scores are cosines, not probabilities: there is no background to compete
        with, so the best boxes come back even if nothing like it is in the photo.

        Args:
            query: one text, picture or vector; see `similarity`.
            score_threshold: report cosines above this, -1 to 1.
            max_detections: how many at most.
            nms_iou: of two boxes that overlap this much the better one stays.

        Returns:
            Detections, best first.

        Raises:
            InputError: for what cannot be looked for, or several things at once.
            TeacherError: if it needs a teacher, and there is none that can.

        Example:
            >>> mug = Image.open("kitchen.jpg").crop((40, 60, 90, 120))
            >>> regions.search(mug).draw("office.jpg").save("mugs.jpg")
        """
        words = self._query(query)
        if len(words) != 1:
            raise InputError(
                f"search looks for one thing at a time, received {len(words)}: call "
                "it for each, or use detect for several words."
            )
        chosen = self.settings.replace(
            {"max_detections": max_detections, "nms_iou": nms_iou}, DetectOverrides
        )
        number = isinstance(score_threshold, int | float | np.number)
        if chosen.nms_iou is None or not number or not -1 <= score_threshold <= 1:
            raise InputError(
                "search needs an nms_iou from 0 to 1 and a score_threshold from -1 to "
                f"1, received {nms_iou!r} and {score_threshold!r}."
            )
        region, scores = region_search.best_boxes(
            self.model_boxes,
            self.embeddings @ words.embeddings[0],
            score_threshold,
            chosen.nms_iou,
            chosen.max_detections,
        )
        return self._found(words, region, np.zeros(len(region), "int64"), scores)

    def _query(self, query: Any) -> Vocabulary:
        lexicon = None if self.detector is None else self.detector.lexicon
        marks = [self.teacher] if lexicon is None else lexicon.marks
        rows = region_search.query_rows(query, lexicon, self.embeddings.shape[1])
        check_space(rows, *marks)
        return rows

    def save(self, path: str | Path, *, features: bool = False) -> None:
        """Writes the regions to an `.npz` file without pickles.

        Args:
            path: where to; replaced whole or not at all.
            features: whether to write what masks need too (many megabytes).

        Raises:
            InputError: if features are asked for and there are none.
        """
        from vild.regions_io import save_regions

        save_regions(self, Path(path), features)

    @classmethod
    def load(cls, path: str | Path, detector: "Detector | None" = None) -> "Regions":
        """Reads what `save` wrote.

        Args:
            path: an `.npz` file.
            detector: the detector that made them, for words and masks; without
                it, `detect` takes a `Vocabulary` and there are no masks.

        Returns:
            The regions.

        Raises:
            CheckpointError: if the file is missing, damaged or something else.
            InputError: if another kind of detector made them.
        """
        from vild.regions_io import load_regions

        return load_regions(Path(path), detector)

    @property
    def _arrays(self) -> matching.Arrays:
        return matching.Arrays(
            self.text_embeddings,
            self.image_embeddings,
            self.background,
            self.model_boxes,
            self.temperature,
        )

    def _rivals(self, words: Vocabulary) -> np.ndarray | None:
        if self.detector is not None:
            return self.detector.lexicon.rivals(words)
        warnings.warn(
            "Without a detector no classes of its own compete with these words, as "
            "`rivals` wishes: load the regions with detector=, or set rivals=False.",
            stacklevel=4,
        )
        return None

    def _words(self, classes: Any, base: Any) -> Vocabulary:
        if self.detector is not None:
            words = self.detector.vocabulary(classes, base=base)
        elif isinstance(classes, Vocabulary):
            check_space(classes, self.teacher)
            words = classes if base is None else classes.with_base(base)
            if words.base is None and self.image_embeddings is not None:
                warnings.warn(
                    "Without a detector nobody knows which of these words are base "
                    "classes, so all count as such: pass base=, or load the regions "
                    "with detector=.",
                    stacklevel=3,
                )
        else:
            raise InputError(
                "These regions were loaded without a detector, which knows the words: "
                "pass a vild.Vocabulary, or load them with detector=."
            )
        check_dim(words, self.text_embeddings.shape[1])
        if words.base is None:
            words = words.with_base(True)
        return words


@dataclass(frozen=True)
class _MaskPromise:
    """Masks of some regions, computed when called; an index keeps a part."""

    detector: "Detector"
    regions: Regions
    index: np.ndarray

    def crops(self) -> np.ndarray:
        """(M, 28, 28) float32 probabilities inside the boxes."""
        return self.detector.mask_crops(self.regions, self.index)

    def __call__(self) -> np.ndarray:
        boxes = self.regions.boxes[self.index]
        return paste_masks(self.crops(), boxes, self.regions.image_size)

    def __getitem__(self, index: Any) -> "_MaskPromise":
        return _MaskPromise(self.detector, self.regions, self.index[index])
