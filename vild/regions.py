"""Regions x Vocabulary -> Detections: any words, any number of times."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from vild.backends import keras, kernels
from vild.data.masks import LazyMasks, paste_masks
from vild.errors import CheckpointError, InputError
from vild.files import replacing, writing
from vild.names import ClassName
from vild.ops import scoring, selection
from vild.results import Detections
from vild.settings import DetectOverrides, Settings
from vild.vocabulary import Vocabulary, check_dim

if TYPE_CHECKING:
    from vild.detector import Detector

ops = keras.ops

# (class, region) pairs that are looked at first: nearly always enough to fill
# the detections, and a size that every framework's top-k is fast at.
_CANDIDATES = 4096

_TINY = float(np.finfo("float32").tiny)

_ARRAYS = ("boxes", "objectness", "text_embeddings", "model_boxes", "background")


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
        **settings: Unpack[DetectOverrides],
    ) -> Detections:
        """Finds what the words name.

        Args:
            classes: names, lists of synonyms, or a `Vocabulary`; None for the
                detector's own classes.
            base: (K,) bools or True, which classes count as base classes of the
                ensemble; None: by name.
            **settings: `score_threshold`, `max_detections`, `nms_iou`,
                `pre_nms_detections`, `masks`; see `vild.settings.Settings`.

        Returns:
            Detections, best first. Masks are computed when asked for.

        Raises:
            InputError: for words that cannot be used or settings out of range.

        Example:
            >>> regions.detect(["cat", ["sofa", "couch"]], score_threshold=0.3)

        Source: paper section 3.4; released post-processing.
        """
        words = self._words(classes, base)
        return self.detections(words, self.settings.replace(settings, DetectOverrides))

    def detections(
        self, words: Vocabulary, chosen: Settings, *, masks_now: bool = False
    ) -> Detections:
        """`detect` with everything decided.

        Args:
            words: a vocabulary with base flags.
            chosen: the settings.
            masks_now: run the mask head at once, so that the result does not
                hold on to the features.

        Returns:
            Detections, best first.
        """
        region, class_ids, scores = self._select(words, chosen)
        masks: Any = None
        if chosen.masks and self.features is not None and self.detector is not None:
            masks = _MaskPromise(self.detector, self, region)
            if masks_now:
                masks = LazyMasks(masks.crops(), self.boxes[region], self.image_size)
        return Detections(
            self.boxes[region],
            scores,
            class_ids,
            [words.names[i] for i in class_ids],
            self.image_size,
            embeddings=self.embeddings[region],
            masks=masks,
        )

    def scores(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        *,
        base: Any = None,
    ) -> np.ndarray:
        """The score of every class at every region, before any selection.

        Args:
            classes: as for `detect`.
            base: as for `detect`.

        Returns:
            (N, K) float32. They do not sum to 1: the rest is background.

        Example:
            >>> regions.scores(["cat", "dog"]).shape
            (1000, 2)
        """
        words = self._words(classes, base)
        products, exponent = _products(*self._inputs(words))
        return np.ascontiguousarray(
            ops.convert_to_numpy(_flush(products[0]) ** exponent)[: len(words)].T
        )

    def save(self, path: str | Path, *, features: bool = False) -> None:
        """Writes the regions to an `.npz` file without pickles.

        Args:
            path: where to; replaced whole or not at all.
            features: whether to write what masks need too (many megabytes).

        Raises:
            InputError: if features are asked for and there are none.
        """
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.image_embeddings is not None:
            arrays["image_embeddings"] = self.image_embeddings
        if features:
            if self.features is None:
                raise InputError(
                    "These regions were encoded with masks=False: there are no mask "
                    "features to save."
                )
            for i, feature in enumerate(self.features):
                feature = ops.convert_to_numpy(ops.cast(feature, "float32"))
                arrays[f"features_{i}"] = feature
        about = {"image_size": self.image_size, "settings": self.settings.as_dict()}
        arrays["about"] = np.array(json.dumps(about))
        path = Path(path)
        with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

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
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"][()]))
                stored = {name: arrays[name] for name in _ARRAYS}
                names = sorted(n for n in arrays.files if n.startswith("features_"))
                features = [ops.convert_to_tensor(arrays[name]) for name in names]
                image = arrays.get("image_embeddings")
            regions = cls(
                image_embeddings=image,
                image_size=tuple(about["image_size"]),
                settings=Settings().replace(about["settings"]),
                detector=detector,
                features=features or None,
                **stored,
            )
        except FileNotFoundError:
            raise CheckpointError(f"There is no file of regions {path}.") from None
        except Exception as error:  # a zip file can be damaged in many ways
            raise CheckpointError(
                f"{path} is not a file of regions or is damaged ({error}): make it "
                "anew with Regions.save."
            ) from error
        if detector is not None:
            detector.check_regions(regions)
        return regions

    def _words(self, classes: Any, base: Any) -> Vocabulary:
        if self.detector is not None:
            words = self.detector.vocabulary(classes, base=base)
        elif isinstance(classes, Vocabulary):
            words = classes if base is None else classes.with_base(base)
        else:
            raise InputError(
                "These regions were loaded without a detector, which knows the words: "
                "pass a vild.Vocabulary, or load them with detector=."
            )
        check_dim(words, self.text_embeddings.shape[1])
        if words.base is None:
            words = words.with_base(True)
        return words

    def _inputs(self, words: Vocabulary) -> tuple[Any, ...]:
        """Arrays for the compiled functions, with a leading batch of one.

        The vocabulary is padded to one of few sizes, so that asking for 5 words
        and then for 6 compiles nothing anew.
        """
        count = len(words)
        size = _padded_count(count)
        rows = np.zeros((size, words.dim), "float32")
        rows[:count] = words.embeddings
        base = np.ones(size, bool)
        base[:count] = words.base
        image = self.image_embeddings
        arrays = (
            self.text_embeddings[None],
            None if image is None else image[None],
            self.background,
            rows,
            np.arange(size) < count,
            base,
        )
        return tuple(None if a is None else ops.convert_to_tensor(a) for a in arrays)

    def _select(
        self, words: Vocabulary, chosen: Settings
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Regions, classes and scores of the detections, best first."""
        inputs = self._inputs(words)
        threshold = ops.convert_to_tensor(np.float32(chosen.score_threshold))
        if chosen.nms_iou is None:
            limit = min(chosen.max_detections, len(self))
            outputs = _arg_max(limit)(*inputs, threshold)
            values, region, class_ids, count = map(ops.convert_to_numpy, outputs)
            kept = slice(0, int(count[0]))
            return region[0, kept], class_ids[0, kept].astype("int64"), values[0, kept]
        boxes = ops.convert_to_tensor(self.model_boxes[None])
        iou = ops.convert_to_tensor(np.float32(chosen.nms_iou))
        every = len(self) * _padded_count(len(words))
        limit = min(chosen.max_detections, every)
        number = max(min(_CANDIDATES, every), limit)
        per_class = min(chosen.pre_nms_detections, len(self))
        while True:
            run = _suppress(number, per_class, limit)
            outputs = run(*inputs, boxes, threshold, iou)
            values, region, class_ids, kept, count = map(ops.convert_to_numpy, outputs)
            full = count[0] == limit
            # The walk is exact if it ended for want of room or of candidates.
            if full or number == every or values[0, -1] <= chosen.score_threshold:
                break
            number = min(8 * number, every)
        kept = kept[0, : int(count[0])]
        return region[0, kept], class_ids[0, kept].astype("int64"), values[0, kept]


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


def _padded_count(count: int) -> int:
    """Vocabulary sizes that programs are compiled for."""
    if count > 256:
        return -(-count // 256) * 256
    return max(8, 1 << (count - 1).bit_length())


def _products(
    text: Any, image: Any, background: Any, rows: Any, valid: Any, base: Any
) -> tuple[Any, float]:
    logits = scoring.text_logits(text, rows, background, valid)
    image_logits = None
    if image is not None:
        image_logits = scoring.image_logits(image, rows, valid)
    return scoring.score_products(logits, image_logits, base)


def _flush(products: Any) -> Any:
    """Zeros in place of what is too small for a normal float.

    TensorFlow and XLA compute so anyway, PyTorch does not, and "score above 0"
    must mean the same on all.
    """
    return ops.where(products < _TINY, 0.0, products)


@functools.cache
def _suppress(number: int, per_class: int, limit: int) -> Any:
    """Scoring and exact suppression, compiled for these sizes."""

    def run(*arguments: Any) -> tuple[Any, ...]:
        *inputs, boxes, threshold, iou = arguments
        products, exponent = _products(*inputs)
        values, regions, classes = selection.candidates(products, number)
        values = _flush(values)
        # The root keeps the order: take it of the candidates only.
        values = values**exponent
        kept, count = selection.select(
            boxes,
            values,
            regions,
            classes,
            threshold=threshold,
            iou=iou,
            per_class=per_class,
            limit=limit,
        )
        return values, regions, classes, kept, count

    return kernels.compile(run, [])


@functools.cache
def _arg_max(limit: int) -> Any:
    """Scoring and the best class of each region, compiled for this size."""

    def run(*arguments: Any) -> tuple[Any, ...]:
        *inputs, threshold = arguments
        products, exponent = _products(*inputs)
        return selection.best_classes(_flush(products) ** exponent, threshold, limit)

    return kernels.compile(run, [])
