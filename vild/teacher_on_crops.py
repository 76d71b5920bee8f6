"""The teacher itself as a detector: slow, and strong on classes nobody trained on."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack, cast

import numpy as np

from vild.class_agnostic import COUNT, NMS_IOU, best_regions, scores_of
from vild.crop_lexicon import CropLexicon
from vild.crop_regions import CropRegions
from vild.data.images import load_image
from vild.detector import Detector, is_list
from vild.embedding import Job, encode_boxes
from vild.embedding.work import choose_dtype, for_images, processors
from vild.errors import InputError, TeacherError
from vild.model import ViLD
from vild.names import ClassName
from vild.regions import Regions
from vild.results import Detections
from vild.settings import Overrides, Settings
from vild.teachers import Teacher, fingerprint, get
from vild.vocabulary import Vocabulary


class TeacherOnCrops:
    """A detector's boxes, each cut out of the photo and shown to a teacher.

    It has the methods of a `Detector`. Crops of 1 and 1.5 times the box are encoded
    and summed, as `vild embed` does. Alone, the teacher's score of a class and the
    detector's objectness are weighed against each other (the paper's "CLIP on cropped
    regions"); with `text_branch` the crops take the place of an image branch, so that
    the text branch of the detector and the teacher form the ensemble ("ViLD-text +
    CLIP"), with the weights for base and novel classes that it always has.

    Args:
        detector: whose boxes, and masks, are used.
        teacher: a teacher or its specification; None for the detector's own.
        text_branch: whether the detector's text branch has a say.
        count: boxes of a photo that are looked at, the best after suppression.
        proposal_nms_iou: of two boxes that overlap this much the better one is looked
            at; None for no suppression.
        objectness_weight: w in `objectness^w * score^(1 - w)`; 0.5 is the geometric
            mean, 0 leaves objectness out. Without `text_branch` only.
        temperature: what cosines with the teacher's words are multiplied by; None for
            the detector's. With `text_branch` it is the detector's always.
        crop_batch_size: crops that are encoded together.
        encode_dtype: what the teacher encodes in; None for what is fastest here.

    Attributes:
        settings: of the detector.
        model: of the detector.
        own_vocabulary: of the detector, which says what are base classes.

    Raises:
        InputError: for settings that make no sense, or a text branch in another space
            than the teacher's.
        TeacherError: if the teacher cannot be used.

    Example:
        >>> clip = TeacherOnCrops(detector, "open_clip:ViT-B-32/openai")
        >>> clip.detect("street.jpg", ["traffic light", "tram"]).table()

    Source: paper sections 3.2 and 4.2, tables 2 and 3.
    """

    def __init__(
        self,
        detector: Detector,
        teacher: str | Teacher | None = None,
        *,
        text_branch: bool = False,
        count: int = COUNT,
        proposal_nms_iou: float | None = NMS_IOU,
        objectness_weight: float = 0.5,
        temperature: float | None = None,
        crop_batch_size: int = 128,
        encode_dtype: str | None = None,
    ) -> None:
        for name, number in (("count", count), ("crop_batch_size", crop_batch_size)):
            if type(number) is not int or number < 1:
                raise InputError(
                    f"{name} must be a whole number above 0, received {number!r}."
                )
        if not 0 <= objectness_weight <= 1:
            raise InputError(
                "objectness_weight must be from 0 to 1, received "
                f"{objectness_weight!r}."
            )
        if temperature is not None and (text_branch or not temperature > 0):
            raise InputError(
                "temperature must be above 0, and None with text_branch; received "
                f"{temperature!r}."
            )
        if proposal_nms_iou is not None and not 0 < proposal_nms_iou <= 1:
            raise InputError(
                "proposal_nms_iou must be above 0 and at most 1, or None; received "
                f"{proposal_nms_iou!r}."
            )
        self.detector = detector
        loaded = detector.lexicon.teacher if teacher is None else get(teacher)
        dtype = choose_dtype(loaded, encode_dtype)
        self.lexicon = CropLexicon(detector, loaded, text_branch)
        self._images = for_images(loaded, dtype, crop_batch_size)
        self._text_branch = text_branch
        self._count, self._nms_iou = count, proposal_nms_iou
        self._weight, self._batch_size = float(objectness_weight), crop_batch_size
        own = self.model.config["temperature"]
        self._temperature = float(own if temperature is None else temperature)

    def __repr__(self) -> str:
        how = "text branch + " if self._text_branch else ""
        return f"TeacherOnCrops({how}{self.lexicon.teacher.name}, {self.detector!r})"

    @property
    def settings(self) -> Settings:
        """Defaults for detection: those of the detector."""
        return self.detector.settings

    @property
    def model(self) -> ViLD:
        """The detector's."""
        return self.detector.model

    @property
    def own_vocabulary(self) -> Vocabulary:
        """The detector's, which says what are base classes."""
        return self.detector.own_vocabulary

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What its answers depend on, besides the detector's weights and settings."""
        return {
            "teacher": fingerprint(self.lexicon.teacher),
            "text_branch": self._text_branch,
            "objectness_weight": self._weight,
            "temperature": self._temperature,
            "count": self._count,
            "proposal_nms_iou": self._nms_iou,
        }

    def vocabulary(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        base: Any = None,
        templates: Any = None,
    ) -> Vocabulary:
        """Turns words into a vocabulary in the teacher's space.

        Args:
            classes: as for `Detector.vocabulary`.
            base: as there.
            templates: as there.

        Returns:
            A `Vocabulary` with base flags.

        Raises:
            InputError: for words that cannot be used.
            TeacherError: if the teacher cannot encode them.
        """
        return self.lexicon.vocabulary(classes, base, templates)

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
            image: as for `Detector.detect`.
            classes: as there.
            batch_size: as there.
            base: as there.
            **settings: as there.

        Returns:
            Detections, or a list of them for a list of photos.

        Raises:
            InputError: for photos, words or settings that cannot be used.
            TeacherError: if the teacher fails on a photo.
        """
        words = self.vocabulary(classes, base=base)
        chosen = self.settings.replace(settings, Overrides)
        images = list(image) if is_list(image) else [image]
        found: list[Detections] = []
        # Not all at once: a photo's features are tens of megabytes.
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            for regions in self._encode(part, batch_size, settings):
                found.append(regions.detections(words, chosen, masks_now=True))
        return found if is_list(image) else found[0]

    def encode(
        self, image: Any, *, batch_size: int = 8, **settings: Unpack[Overrides]
    ) -> Any:
        """Looks at a photo once, without words.

        Args:
            image: as for `Detector.encode`.
            batch_size: as there.
            **settings: as there.

        Returns:
            `Regions`, or a list of them, whose vectors are those of the teacher;
            with `text_branch` those of the image branch are.

        Raises:
            InputError: for photos or settings that cannot be used.
            TeacherError: if the teacher fails on a photo.
        """
        if is_list(image):
            return self._encode(list(image), batch_size, settings)
        return self._encode([image], 1, settings)[0]

    def mask_crops(self, regions: Regions, index: np.ndarray) -> np.ndarray:
        """Mask probabilities inside boxes; see `Detector.mask_crops`.

        Args:
            regions: encoded with masks.
            index: (M,) which of them.

        Returns:
            (M, 28, 28) float32.
        """
        return self.detector.mask_crops(regions, index)

    def _encode(
        self, images: Sequence[Any], batch_size: int, settings: Overrides
    ) -> list[Regions]:
        photos = [load_image(image) for image in images]
        encoded = self.detector.encode(photos, batch_size=batch_size, **settings)
        chosen = [self._choose(regions) for regions in encoded]
        jobs = [
            Job(lambda photo=photo: photo, boxes)  # type: ignore[misc]
            for photo, (_, _, boxes) in zip(photos, chosen, strict=True)
        ]
        rows = encode_boxes(jobs, self._images, self._batch_size, processors())
        for job in jobs:
            if job.failure is not None:
                raise TeacherError(job.failure)
        return [
            self._seen(regions, index, scores, cast(np.ndarray, features))
            for regions, (index, scores, _), features in zip(
                encoded, chosen, rows, strict=True
            )
        ]

    def _choose(self, regions: Regions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which regions are looked at, how sure the detector is, and their boxes."""
        scores = scores_of(regions, self.detector)
        index, boxes = best_regions(
            regions, scores, count=self._count, nms_iou=self._nms_iou
        )
        return index, scores[index], boxes

    def _seen(
        self,
        regions: Regions,
        index: np.ndarray,
        scores: np.ndarray,
        features: np.ndarray,
    ) -> Regions:
        """Regions with the teacher's vectors, filled up so that sizes stay the same."""
        count = self._count
        facts = {f.name: getattr(regions, f.name) for f in dataclasses.fields(Regions)}
        facts |= {
            "boxes": _filled(regions.boxes[index], count),
            "objectness": _filled(scores, count, -1),
            "model_boxes": _filled(regions.model_boxes[index], count),
            "detector": self,
            "temperature": self._temperature,
            "teacher": fingerprint(self.lexicon.teacher),
        }
        seen = _filled(features, count)
        if not self._text_branch:
            facts |= {"text_embeddings": seen, "image_embeddings": None}
            facts["background"] = np.zeros(features.shape[1], "float32")
            return CropRegions(**facts, objectness_weight=self._weight)
        text = _filled(regions.text_embeddings[index], count)
        return Regions(**facts | {"text_embeddings": text, "image_embeddings": seen})


def _filled(rows: np.ndarray, count: int, value: float = 0) -> np.ndarray:
    """Rows up to a fixed number, so that one compiled program serves all photos."""
    full = np.full((count, *rows.shape[1:]), value, "float32")
    full[: len(rows)] = rows
    return full
