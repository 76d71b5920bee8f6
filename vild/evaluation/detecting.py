"""A detector looks at a dataset, batch after batch."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from vild.data.categories import Category
from vild.data.dataset import Dataset, Example
from vild.errors import InputError
from vild.evaluation.protocols import Protocol
from vild.names import plain
from vild.settings import Overrides

if TYPE_CHECKING:
    from vild.detector import Detector
    from vild.vocabulary import Vocabulary


class Asking:
    """What is asked of a detector, decided before the first image.

    Args:
        detector: looks at the images.
        categories: of the dataset.
        protocol: says how many detections and which categories.
        vocabulary: a vocabulary with a row for each category that is asked for, in
            the dataset's order; None to make it of their names and synonyms.
        base: which of these count as base classes of an ensemble, as for
            `Detector.vocabulary`; None: by name, as the detector was trained.
        settings: see `vild.settings.Settings`. By default everything is reported, as
            released: no score threshold, and as many detections as count.

    Attributes:
        categories: those that are asked for.
        words: their vocabulary; None for proposals.
        settings: what differs from the detector's own.
        masks: whether there will be masks.

    Raises:
        InputError: for settings, or a vocabulary, that do not fit.
        TeacherError: for names that need a teacher which cannot be used.
    """

    def __init__(
        self,
        detector: "Detector",
        categories: Sequence[Category],
        protocol: Protocol,
        vocabulary: "Vocabulary | None" = None,
        base: Any = None,
        settings: Overrides | None = None,
    ) -> None:
        self.detector, self.protocol = detector, protocol
        self.categories = [
            c for c in categories if not (protocol.open_vocabulary and c.excluded)
        ]
        if not self.categories:
            raise InputError(
                "The dataset has no categories to ask for: give one that has."
            )
        self.words = None
        defaults: dict[str, Any] = {"score_threshold": 0.0, "rivals": False}
        if protocol.rules == "proposals":
            most = max(protocol.per_class)
            defaults |= {"num_proposals": most, "masks": False}
        else:
            defaults["max_detections"] = protocol.max_detections
            self.words = self._words(vocabulary, base)
        self.settings = defaults | dict(settings or {})
        masks = detector.settings.replace(self.settings, Overrides).masks
        self.masks = masks and detector.model.mask is not None

    def _words(self, vocabulary: "Vocabulary | None", base: Any) -> "Vocabulary":
        classes: Any = vocabulary
        if vocabulary is None:
            own = _Own(self.detector.own_vocabulary)
            classes = [own.narrowed(spoken(category)) for category in self.categories]
        elif len(vocabulary) != len(self.categories):
            raise InputError(
                f"The vocabulary has {len(vocabulary)} classes, but the dataset is "
                f"asked for {len(self.categories)}: give one row for each category, in "
                "the dataset's order."
            )
        return self.detector.vocabulary(classes, base=base)

    def __call__(self, images: list[np.ndarray]) -> list[Any]:
        """Looks at a batch.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Returns:
            `Detections`, or for proposals `Regions`, one for each image.
        """
        size, settings = len(images), self.settings
        if self.words is None:
            return self.detector.encode(images, batch_size=size, **settings)
        return self.detector.detect(images, self.words, batch_size=size, **settings)


def spoken(category: Category) -> list[str]:
    """The words that a category is asked for with.

    Args:
        category: of a dataset.

    Returns:
        Its synonyms, its name first if that is one; its name if there are none.

    Example:
        >>> spoken(Category(3, "tvmonitor", ("tv monitor",)))
        ['tv monitor']
        >>> spoken(Category(4, "sofa", ("couch", "sofa")))
        ['sofa', 'couch']
    """
    if not category.synonyms:
        return [category.name]
    return sorted(category.synonyms, key=lambda name: name != category.name)


class _Own:
    """The classes that a detector has vectors of its own for."""

    def __init__(self, own: "Vocabulary") -> None:
        self._groups = {plain(g[0]): {*map(plain, g)} for g in own.synonyms}

    def narrowed(self, words: list[str]) -> list[str]:
        """The name alone, where it stands for just these synonyms.

        A synonym may name another class as well (LVIS has "wrist_band" for wristlet
        and a class wristband), and must not mix that in.
        """
        own = self._groups.get(plain(words[0]))
        return words[:1] if own == {*map(plain, words)} else words


def look(
    asking: Asking, dataset: Dataset, indexes: Sequence[int], batch_size: int
) -> Iterator[tuple[Example, Any]]:
    """Looks at images of a dataset. The next batch is read meanwhile.

    Args:
        asking: what is asked.
        dataset: any.
        indexes: which images.
        batch_size: how many at a time; the last batch is filled up with repetitions.

    Yields:
        An example and what was found in it, in order of the indexes.

    Raises:
        DataError: for an image that cannot be read.
    """

    def read(start: int) -> list[tuple[Example, np.ndarray]]:
        examples = [dataset[i] for i in indexes[start : start + batch_size]]
        return [(example, example.picture.decode(example.size)) for example in examples]

    starts = range(0, len(indexes), batch_size)
    if not starts:
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, 0)
        for start in starts:
            batch = ahead.result()
            if start + batch_size < len(indexes):
                ahead = reader.submit(read, start + batch_size)
            images = [image for _, image in batch]
            # Batches of equal size, so that one compiled program serves them all.
            images += images[-1:] * (batch_size - len(images))
            found = asking(images)
            for (example, _), answer in zip(batch, found, strict=False):
                yield example, answer
