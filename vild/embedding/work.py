"""What is to be embedded, and how a shard of it is made: the same on every engine."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.data.crops import boxes_inside
from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.data.stores.failures import check_some_went_well, said
from vild.data.stores.header import Header
from vild.data.stores.shard import Entry, shard_images
from vild.data.stores.store import ProposalStore
from vild.embedding.encoding import Job, encode_boxes
from vild.errors import DataError, TeacherError
from vild.teachers import get
from vild.teachers.calls import encode_image
from vild.teachers.protocol import Teacher


@dataclass
class Work:
    """What is to be embedded. It can be handed to other processes.

    Attributes:
        dataset: whose images.
        proposals: whose boxes.
        teacher: a teacher or its specification; see `for_images`.
        header: of the store that is made.
        threads: that make crops in each process.
    """

    dataset: Dataset
    proposals: ProposalStore
    teacher: str | Teacher
    header: Header
    threads: int

    @functools.cached_property
    def _teacher(self) -> Teacher:
        """Loaded and tried once, in the process that uses it."""
        teacher = for_images(
            get(self.teacher), self.header["encoded_in"], self.header["batch_size"]
        )
        side = int(teacher.image_size)
        encode_image(teacher, np.full((1, side, side, 3), 128, np.uint8))
        return teacher

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_teacher"}

    def make(
        self, index: int, done: Callable[[], Any] = lambda: None
    ) -> dict[int, Entry]:
        """Makes a shard.

        Args:
            index: of the shard.
            done: called for each image.

        Returns:
            Image id -> what there is, for all its images.

        Raises:
            DataError: if the dataset is not the one of the proposals, or its images
                cannot be had, all of them.
            TeacherError: if the teacher cannot be used.
        """
        entries = self._entries(shard_images(self.header, index), done)
        check_some_went_well(index, entries)
        return entries

    def heals(self, index: int, failures: Sequence[int]) -> bool:
        """Whether images that failed go well now.

        Args:
            index: of the shard.
            failures: ids of images in it that failed.

        Returns:
            True if one does, so that the shard should be made anew: as a whole, for
            its bits to be those of a shard in which nothing failed.
        """
        ids = self.proposals.image_ids
        images = [i for i in shard_images(self.header, index) if ids[i] in failures]
        entries = self._entries(images, lambda: None).values()
        return any(entry.failure is None for entry in entries)

    def _entries(
        self, images: Sequence[int], done: Callable[[], Any]
    ) -> dict[int, Entry]:
        teacher = self._teacher
        found = [self._open(position) for position in images]
        features = encode_boxes(
            [job for job, _ in found],
            teacher,
            self.header["batch_size"],
            self.threads,
            done,
        )
        entries = {}
        for position, (job, scores), rows in zip(images, found, features, strict=True):
            if rows is None:
                nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
                rows = np.zeros((0, self.header["dim"]), np.float32)
                entry = Entry(*nothing, rows, job.failure)
            else:
                entry = Entry(job.boxes, scores, rows)
            entries[int(self.proposals.image_ids[position])] = entry
        return entries

    def _open(self, position: int) -> tuple[Job, np.ndarray]:
        """An image with its boxes, and their scores; not decoded."""
        image_id = int(self.proposals.image_ids[position])
        nothing = Job(_no_photo, np.zeros((0, 4), np.float32)), np.zeros(0, np.float32)
        if image_id in self.proposals.failed:
            reason = self.proposals.failures[image_id]
            nothing[0].failure = f"there are no proposals ({reason})"
            return nothing
        try:
            example = self.dataset[position]
        except DataError as error:
            nothing[0].failure = said(error)
            return nothing
        if example.image_id != image_id:
            raise DataError(
                f"Image {position} of the dataset {self.dataset.name!r} has the id "
                f"{example.image_id}, but the proposals have {image_id} there: make "
                "proposals for this dataset."
            )
        boxes, scores = self.proposals[image_id]
        if self.header["ground_truth"]:
            own = self._base_boxes(example)
            boxes = np.concatenate([own, boxes])
            scores = np.concatenate([np.ones(len(own), np.float32), scores])
        boxes, kept = boxes_inside(boxes, example.size)
        return Job(_Photo(example), boxes), scores[kept]

    def _base_boxes(self, example: Example) -> np.ndarray:
        """Boxes of objects that may be trained on: those of novel ones are secret."""
        base = [category.id for category in self.dataset.categories if category.base]
        kept = np.isin(example.category_ids, base) & ~example.crowd
        return np.asarray(example.boxes[kept])


@dataclass(frozen=True)
class _Photo:
    example: Example

    def __call__(self) -> np.ndarray:
        return self.example.image


def _no_photo() -> np.ndarray:
    raise AssertionError("there are no boxes to look at")


def for_images(teacher: Teacher, dtype: str | None, batch_size: int) -> Teacher:
    """A teacher set up to encode many images.

    Args:
        teacher: any.
        dtype: what it encodes in; None for a teacher that leaves no choice.
        batch_size: how many images at a time.

    Returns:
        It, or another one of the same space.
    """
    if dtype is None:
        return teacher
    set_up: Teacher = teacher.for_images(dtype, batch_size)  # type: ignore[attr-defined]
    return set_up


def choose_dtype(teacher: Teacher, wanted: str | None) -> str | None:
    """What images are encoded in.

    Args:
        teacher: any.
        wanted: a name, or None for what is fastest here.

    Returns:
        One of the teacher's `image_dtypes`; None if it has none.

    Raises:
        TeacherError: if the teacher has no such choice.
    """
    names: Sequence[str] = getattr(teacher, "image_dtypes", ())
    if wanted is None:
        return names[0] if names else None
    if wanted not in names:
        choice = f"in {', '.join(names)}" if names else "in one way only"
        raise TeacherError(
            f"The teacher {teacher.name!r} encodes images {choice} on this device, "
            f"not in {wanted!r}."
        )
    return wanted


def processors() -> int:
    """How many this process may use.

    Returns:
        At least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
