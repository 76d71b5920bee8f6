"""What was found in one photo: plain arrays that draw, save and convert themselves."""

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vild import results_io
from vild.data.images import ImageLike, load_image
from vild.drawing import draw_detections
from vild.errors import BackendError, InputError

if TYPE_CHECKING:
    import supervision

Masks = np.ndarray | Callable[[], np.ndarray] | None


@dataclass(init=False, repr=False, eq=False)
class Detections:
    """The objects found in one photo, best first.

    Indexing with an int, a slice, an array of bools or an array of indices keeps a
    part of the detections; the masks of the rest are then never computed.

    Args:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the original image.
        scores: (N,) float32, descending.
        class_ids: (N,) int64, index into the classes that were asked for.
        class_names: N names, one a detection.
        image_size: (H, W) of the original image in pixels.
        embeddings: (N, D) float32 unit vectors in the teacher's space, or None.
        masks: (N, H, W) bool in the original image, or a callable without arguments
            that returns them, called when they are first asked for; None if the
            model has no masks. If the callable can be indexed, a part of the
            detections keeps that part of it.

    Raises:
        InputError: The arrays differ in length or have another shape.

    Example:
        >>> found = Detections([[8, 4, 40, 30]], [0.9], [0], ["cat"], (48, 64))
        >>> len(found), found.class_names, found.masks
        (1, ['cat'], None)
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    class_names: list[str]
    image_size: tuple[int, int]
    embeddings: np.ndarray | None

    def __init__(
        self,
        boxes: np.ndarray | Sequence[Sequence[float]],
        scores: np.ndarray | Sequence[float],
        class_ids: np.ndarray | Sequence[int],
        class_names: Sequence[str],
        image_size: tuple[int, int],
        embeddings: np.ndarray | None = None,
        masks: Masks = None,
    ) -> None:
        count = len(scores)
        self.boxes = _array("boxes", boxes, np.float32, (count, 4))
        self.scores = _array("scores", scores, np.float32, (count,))
        self.class_ids = _array("class_ids", class_ids, np.int64, (count,))
        self.class_names = [str(name) for name in class_names]
        self.image_size = int(image_size[0]), int(image_size[1])
        self.embeddings = embeddings
        if embeddings is not None:
            shape = (count, np.shape(embeddings)[-1])
            self.embeddings = _array("embeddings", embeddings, np.float32, shape)
        if len(self.class_names) != count:
            raise InputError(
                f"{count} scores but {len(self.class_names)} class_names were given; "
                "pass one name for each detection"
            )
        self._masks = masks if callable(masks) else self._checked(masks)

    @property
    def masks(self) -> np.ndarray | None:
        """(N, H, W) bool in the original image, computed once; None without masks."""
        if callable(self._masks):
            self._masks = self._checked(self._masks())
        return self._masks

    @property
    def lazy_masks(self) -> Masks:
        """The masks as they were given or last asked for; what is lazy stays so."""
        return self._masks

    def _checked(self, masks: np.ndarray | None) -> np.ndarray | None:
        if masks is None:
            return None
        return _array("masks", masks, bool, (len(self), *self.image_size))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: int | slice | np.ndarray | list[int]) -> "Detections":
        kept = np.arange(len(self))[index].reshape(-1)
        masks: Masks = None
        narrow = getattr(self._masks, "__getitem__", None)
        if narrow is not None:
            masks = narrow(kept)
        elif self._masks is not None:
            masks = partial(_part, self, kept)
        return Detections(
            self.boxes[kept],
            self.scores[kept],
            self.class_ids[kept],
            [self.class_names[i] for i in kept],
            self.image_size,
            None if self.embeddings is None else self.embeddings[kept],
            masks,
        )

    def __repr__(self) -> str:
        best = [
            f"{name} {score:.2f}"
            for name, score in zip(self.class_names[:3], self.scores, strict=False)
        ]
        more = ["..."] if len(self) > 3 else []
        return f"Detections({len(self)}: {', '.join(best + more)})"

    def draw(self, image: ImageLike) -> Image.Image:
        """Draw the detections onto a copy of their photo.

        Args:
            image: The photo: a path, a PIL image or an (H, W, 3) uint8 RGB array.

        Returns:
            A new RGB picture of the same size; `.save(path)` writes it.

        Raises:
            InputError: The image cannot be read, or has another size.

        Example:
            >>> import numpy as np
            >>> found = Detections([[8, 4, 40, 30]], [0.9], [0], ["cat"], (48, 64))
            >>> found.draw(np.zeros((48, 64, 3), np.uint8)).size
            (64, 48)
        """
        pixels = load_image(image)
        if pixels.shape[:2] != self.image_size:
            raise InputError(
                f"these detections belong to a photo of (height, width) "
                f"{self.image_size}, but the image is {pixels.shape[:2]}; pass the "
                "photo they were found in"
            )
        names = zip(self.class_names, self.scores, strict=True)
        labels = [f"{name} {score:.2f}" for name, score in names]
        return draw_detections(pixels, self.boxes, labels, self.masks, self.class_ids)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the detections to a file, whole or not at all.

        Args:
            path: Ends in `.json` (everything but the embeddings, masks as COCO run
                lengths) or `.npz` (everything).

        Raises:
            InputError: Another ending, a folder that cannot be written to, or
                numbers that are not finite.

        Example:
            >>> import tempfile, pathlib
            >>> path = pathlib.Path(tempfile.mkdtemp(), "cat.json")
            >>> Detections([[8, 4, 40, 30]], [0.9], [0], ["cat"], (48, 64)).save(path)
            >>> Detections.load(path)
            Detections(1: cat 0.90)
        """
        results_io.save(self, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Detections":
        """Read what `save` wrote. Masks are unpacked when first asked for.

        Args:
            path: A `.json` or `.npz` file.

        Returns:
            The detections, equal to those that were saved.

        Raises:
            InputError: The file is missing, damaged or something else.

        Example:
            >>> Detections.load("nowhere.json")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
                ...
            vild.errors.InputError: cannot read 'nowhere.json': ...
        """
        return results_io.load(Path(path), cls)

    def to_coco(
        self, image_id: int | str, category_ids: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Return COCO results, ready for `json.dump`.

        Args:
            image_id: The id of the photo in the dataset.
            category_ids: The dataset's id of each class; None: the class ids.

        Returns:
            One dict a detection: image_id, category_id, bbox (x y width height in
            pixels), score, and segmentation (RLE) if there are masks.

        Raises:
            InputError: A class id has no entry in `category_ids`.

        Example:
            >>> found = Detections([[8, 4, 40, 30]], [0.5], [0], ["cat"], (48, 64))
            >>> found.to_coco(7, category_ids=[17])[0]["category_id"]
            17
        """
        return results_io.coco_results(self, image_id, category_ids)

    def to_supervision(self) -> "supervision.Detections":
        """Return the same detections for the supervision library.

        Returns:
            A `supervision.Detections`; `data["class_name"]` holds the names.

        Raises:
            BackendError: supervision is not installed.

        Example:
            >>> found = Detections([[8, 4, 40, 30]], [0.5], [0], ["cat"], (48, 64))
            >>> found.to_supervision().xyxy.shape  # doctest: +SKIP
            (1, 4)
        """
        try:
            import supervision
        except ImportError as error:
            raise BackendError(
                "to_supervision needs the supervision library, which is not "
                "installed; run: pip install vild[supervision]"
            ) from error
        return supervision.Detections(
            xyxy=self.boxes,
            mask=self.masks,
            confidence=self.scores,
            class_id=self.class_ids,
            data={"class_name": np.array(self.class_names, dtype=str)},
        )

    def table(self) -> str:
        """Return the detections as an aligned table: name, score, box in pixels.

        Returns:
            A heading and one line a detection, without a final line break.

        Example:
            >>> found = Detections([[8, 4, 40, 30]], [0.9], [0], ["cat"], (48, 64))
            >>> print(found.table())
            name  score      x1      y1      x2      y2
            cat   0.900     8.0     4.0    40.0    30.0
        """
        names = [" ".join(name.split()) for name in self.class_names]
        wide = max(map(_columns, ["name", *names]))
        lines = ["name" + " " * (wide - 4) + "  score      x1      y1      x2      y2"]
        for name, score, box in zip(names, self.scores, self.boxes, strict=True):
            sides = " ".join(f"{side:7.1f}" for side in box)
            lines.append(f"{name}{' ' * (wide - _columns(name))}  {score:.3f} {sides}")
        return "\n".join(lines)


def _array(name: str, value: Any, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value, dtype)
    if array.size == 0 and 0 in shape:
        return array.reshape(shape)
    if array.shape != shape:
        raise InputError(
            f"{name} must have shape {shape} for {shape[0]} scores, but {array.shape} "
            "was given; pass one entry for each detection"
        )
    return array


def _part(whole: Detections, kept: np.ndarray) -> np.ndarray:
    masks = whole.masks
    assert masks is not None
    return masks[kept]


def _columns(text: str) -> int:
    """Return the width of a text in a terminal: CJK letters take two columns."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)
