"""The detector: photo in, regions out; and the words it knows."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np

from vild.backends import keras, kernels
from vild.data.images import ImageLike, load_image
from vild.data.preprocessing import preprocess
from vild.errors import InputError
from vild.lexicon import Lexicon
from vild.model import ViLD
from vild.names import ClassName
from vild.precision import with_dtype
from vild.regions import Regions
from vild.results import Detections
from vild.settings import ModelOverrides, Overrides, Settings
from vild.teachers import Teacher
from vild.vocabulary import Vocabulary

ops = keras.ops

# Mask crops are computed this many boxes at a time: two static shapes, of which
# the small one serves the usual photo and the large one the crowded one.
_MASK_BATCHES = (10, 100)


class Detector:
    """A model, the words it knows, and how it is used.

    Args:
        model: a `vild.model.ViLD`.
        vocabulary: the classes it knows by vectors of its own, with `base`
            saying which it was trained on. What `classes=None` asks for.
        teacher: the teacher it was distilled from, or its specification (see
            `vild.teachers.get`), which is loaded when first needed; it encodes
            the words that the detector has no vectors for.
        provenance: where model and words come from; saved along.
        **settings: defaults for detection; see `vild.settings.Settings`.

    Example:
        >>> detector = vild.load_pretrained("r50-ensemble")
        >>> detector.detect("street.jpg", ["traffic light", "bicycle"]).table()
    """

    def __init__(
        self,
        model: ViLD,
        vocabulary: Vocabulary,
        *,
        teacher: str | Teacher | None = None,
        provenance: dict[str, Any] | None = None,
        **settings: Unpack[ModelOverrides],
    ) -> None:
        if vocabulary.dim != model.config["dim"]:
            raise InputError(
                f"The vocabulary's vectors have {vocabulary.dim} dimensions, the "
                f"model's space {model.config['dim']}: they must be equal."
            )
        if vocabulary.base is None:
            vocabulary = vocabulary.with_base(True)
        dtype = model.dtype_policy.compute_dtype
        wanted = settings.setdefault("dtype", dtype)
        self.settings = Settings().replace(settings)
        self.model = model if wanted == dtype else with_dtype(model, wanted)
        self.lexicon = Lexicon(vocabulary, teacher)
        self.provenance = dict(provenance or {})
        self._encoders: dict[tuple[int, int], Any] = {}

    def __repr__(self) -> str:
        flavour = "ensemble" if self.model.config["ensemble"] else "one branch"
        backbone = self.model.config["backbone"]
        name = f"R{backbone}" if isinstance(backbone, int) else backbone.name
        return f"Detector({name}, {flavour}, knows {len(self.own_vocabulary)} classes)"

    @property
    def own_vocabulary(self) -> Vocabulary:
        """The classes it knows by vectors of its own, with base flags."""
        return self.lexicon.own

    @property
    def teacher(self) -> str | None:
        """Specification or name of the teacher; `lexicon.teacher` is the object."""
        return self.lexicon.spec

    @overload
    def detect(
        self,
        image: ImageLike,
        classes: Sequence[ClassName] | Vocabulary | None = ...,
        *,
        batch_size: int = ...,
        base: Any = ...,
        **settings: Unpack[Overrides],
    ) -> Detections: ...

    @overload
    def detect(
        self,
        image: Sequence[ImageLike],
        classes: Sequence[ClassName] | Vocabulary | None = ...,
        *,
        batch_size: int = ...,
        base: Any = ...,
        **settings: Unpack[Overrides],
    ) -> list[Detections]: ...

    def detect(
        self,
        image: Any,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        *,
        batch_size: int = 8,
        base: Any = None,
        **settings: Unpack[Overrides],
    ) -> Any:
        """Finds what the words name in one photo or in several.

        Args:
            image: a path, a PIL image or an (H, W, 3) uint8 RGB array; or a
                list of them, of any sizes.
            classes: names, lists of synonyms, or a `Vocabulary`; None for the
                detector's own classes.
            batch_size: photos that are looked at together.
            base: (K,) bools or True, which classes count as base classes of the
                ensemble; None: by name.
            **settings: see `vild.settings.Settings`.

        Returns:
            Detections, or a list of them for a list of photos.

        Raises:
            InputError: for photos, words or settings that cannot be used.

        Example:
            >>> result = detector.detect("room.jpg", ["lamp", ["sofa", "couch"]])
            >>> result.draw("room.jpg").save("found.jpg")

        Source: paper figure 2; released behaviour.
        """
        words = self.vocabulary(classes, base=base)
        chosen = self.settings.replace(settings, Overrides)
        single = not is_list(image)
        images = [image] if single else image
        # Mask crops are computed now: a thousand results kept in a list would
        # otherwise hold a thousand feature pyramids of tens of megabytes each.
        results = [
            regions.detections(words, chosen, masks_now=True)
            for regions in self._encode(images, batch_size, chosen)
        ]
        return results[0] if single else results

    @overload
    def encode(
        self,
        image: ImageLike,
        *,
        batch_size: int = ...,
        **settings: Unpack[Overrides],
    ) -> Regions: ...

    @overload
    def encode(
        self,
        image: Sequence[ImageLike],
        *,
        batch_size: int = ...,
        **settings: Unpack[Overrides],
    ) -> list[Regions]: ...

    def encode(
        self,
        image: Any,
        *,
        batch_size: int = 8,
        **settings: Unpack[Overrides],
    ) -> Any:
        """Looks at a photo once, without words.

        Args:
            image: as for `detect`.
            batch_size: photos that are looked at together.
            **settings: see `vild.settings.Settings`. With `masks=False` the
                regions keep no features, and have no masks.

        Returns:
            `Regions`, or a list of them for a list of photos.

        Raises:
            InputError: for photos or settings that cannot be used.

        Example:
            >>> regions = detector.encode("room.jpg")
            >>> regions.detect(["lamp"]), regions.detect(["chair"])
        """
        chosen = self.settings.replace(settings, Overrides)
        if is_list(image):
            return list(self._encode(image, batch_size, chosen))
        return next(iter(self._encode([image], 1, chosen)))

    def vocabulary(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        base: Any = None,
        templates: Any = None,
    ) -> Vocabulary:
        """Turns words into a vocabulary that can be used again and saved.

        Args:
            classes: names, lists of synonyms, or a `Vocabulary`; None for the
                detector's own classes. Spelling follows `vild.names.plain`.
            base: (K,) bools or True, which classes count as base classes of the
                ensemble; None: those whose name, or a synonym of it, is a base
                class that the detector was trained on.
            templates: the name of a set of prompts or a list of them (see
                `vild.prompts.read_templates`), with which the teacher then encodes
                all the words. None: classes that the detector has vectors for
                keep these, others are encoded with the teacher's own prompts.

        Returns:
            A `Vocabulary` with base flags.

        Raises:
            InputError: for words that cannot be used, or that come from another
                teacher.
            TeacherError: for words that need the teacher, if it cannot be used.

        Example:
            >>> words = detector.vocabulary(["red scooter", ["sofa", "couch"]])
            >>> detector.detect("room.jpg", words)
        """
        return self.lexicon.vocabulary(classes, base, templates)

    def save(self, directory: str | Path, *, half: bool = False) -> None:
        """Writes a directory that `vild.load_pretrained` opens on any backend.

        Args:
            directory: where to; replaced whole or not at all.
            half: whether kernels are stored in half precision, in half of the space;
                nothing else changes for who opens it.

        Raises:
            InputError: if there is something else at that place.

        Example:
            >>> detector.save("my-detector")
            >>> vild.load_pretrained("my-detector")
        """
        from vild.saving import save_detector

        save_detector(self, Path(directory), half)

    def mask_crops(self, regions: Regions, index: np.ndarray) -> np.ndarray:
        """Mask probabilities inside the boxes of some regions.

        Args:
            regions: encoded with masks.
            index: (M,) which of them.

        Returns:
            (M, 28, 28) float32.
        """
        boxes = regions.model_boxes[index]
        crops = [np.zeros((0, 28, 28), "float32")]
        start = 0
        while start < len(boxes):
            left = len(boxes) - start
            size = next((n for n in _MASK_BATCHES if left <= 5 * n), _MASK_BATCHES[-1])
            part = np.zeros((1, size, 4), "float32")
            chosen = boxes[start : start + size]
            part[0, : len(chosen)] = chosen
            features = [ops.convert_to_tensor(f) for f in regions.features or ()]
            masks = self._masks(features, ops.convert_to_tensor(part))
            crops.append(ops.convert_to_numpy(masks)[0, : len(chosen)])
            start += size
        return np.concatenate(crops)

    def check_regions(self, regions: Regions) -> None:
        """Refuses regions that another kind of detector made.

        Args:
            regions: loaded from a file.

        Raises:
            InputError: if they do not fit this model.
        """
        same = regions.text_embeddings.shape[1] == self.model.config["dim"]
        same &= np.array_equal(
            regions.background, ops.convert_to_numpy(self.model.region.background)
        )
        if not same:
            raise InputError(
                "These regions were made by another detector: load them with that "
                "one, or without detector=."
            )

    def _encode(self, images: Sequence[Any], batch_size: int, chosen: Settings) -> Any:
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise InputError(
                f"batch_size must be a whole number above 0, received {batch_size!r}."
            )
        if len(images) == 0:
            return
        # Batches of equal size, so that one compiled program serves them all.
        batches = -(-len(images) // batch_size)
        size = -(-len(images) // batches)
        for start in range(0, len(images), size):
            loaded = [load_image(image) for image in images[start : start + size]]
            yield from self._encode_batch(loaded, size, chosen)

    def _encode_batch(
        self, images: list[np.ndarray], size: int, chosen: Settings
    ) -> list[Regions]:
        multiple = 2 ** self.model.levels[-1]
        inputs = [preprocess(image, chosen.image_size, multiple) for image in images]
        inputs += inputs[-1:] * (size - len(images))
        pixels = np.stack([pixel for pixel, _ in inputs])
        infos = np.stack([info for _, info in inputs])
        key = chosen.pre_nms_proposals, chosen.num_proposals
        outputs = self._encoder(*key)(
            ops.convert_to_tensor(pixels),
            # Clipping goes by the desired size (released behaviour).
            ops.convert_to_tensor(np.ascontiguousarray(infos[:, 1])),
        )
        features = outputs.pop("features")
        outputs.pop("rois")
        arrays = {name: ops.convert_to_numpy(value) for name, value in outputs.items()}
        background = ops.convert_to_numpy(self.model.region.background)
        keep = chosen.masks and self.model.mask is not None
        return [
            Regions(
                boxes=to_original(arrays["boxes"][i], infos[i]),
                objectness=arrays["objectness"][i],
                text_embeddings=arrays["text_embeddings"][i],
                image_embeddings=arrays["image_embeddings"][i]
                if "image_embeddings" in arrays
                else None,
                model_boxes=arrays["boxes"][i],
                background=background,
                image_size=image.shape[:2],
                settings=chosen,
                detector=self,
                features=[f[i : i + 1] for f in features] if keep else None,
                teacher=self.lexicon.recorded,
                temperature=self.model.config["temperature"],
            )
            for i, image in enumerate(images)
        ]

    def _encoder(self, pre_nms: int, total: int) -> Any:
        """The compiled forward pass for these proposal counts."""
        key = pre_nms, total
        if key not in self._encoders:
            self._encoders[key] = kernels.compile(
                lambda images, shape: self.model.encode(images, shape, *key),
                self.model.variables,
            )
        return self._encoders[key]

    @functools.cached_property
    def _masks(self) -> Any:
        """The compiled mask head."""
        return kernels.compile(
            lambda features, boxes: ops.sigmoid(
                self.model.mask_logits(features, boxes)
            ),
            self.model.variables,
        )


def to_original(boxes: np.ndarray, image_info: np.ndarray) -> np.ndarray:
    """From boxes of the model to boxes for people; the only place that changes.

    Args:
        boxes: (N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        image_info: (5, 2) float32 of `vild.data.preprocessing.preprocess`.

    Returns:
        (N, 4) float32, x1 y1 x2 y2 in pixels of the original image, not clipped
        to it (released behaviour).

    Example:
        >>> info = np.array([[9, 9], [9, 9], [2, 1], [0, 0], [9, 9]], "float32")
        >>> to_original(np.array([[2, 3, 4, 5]], "float32"), info)
        array([[3., 1., 5., 2.]], dtype=float32)
    """
    scale = image_info[2]
    boxes = boxes / np.concatenate([scale, scale]).astype("float32")
    return np.ascontiguousarray(boxes[:, [1, 0, 3, 2]])


def is_list(image: Any) -> bool:
    """Whether there are several photos.

    Args:
        image: one, or a list of them.

    Returns:
        True or False.

    Raises:
        InputError: for what cannot be counted; it says how to pass that.
    """
    if isinstance(image, Iterator | set | dict):
        raise InputError(
            f"Several photos must come as a list, received {type(image).__name__}: "
            "write list(photos)."
        )
    stack = isinstance(image, np.ndarray) and image.ndim == 4
    return stack or isinstance(image, list | tuple)
