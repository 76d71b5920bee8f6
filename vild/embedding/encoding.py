"""Crops of many photos through a teacher, in batches that cross photos."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from vild.data.crops import SCALES, crop_bounds, crop_square, sum_of_scales
from vild.data.stores.failures import said
from vild.errors import TeacherError
from vild.teachers.calls import encode_image
from vild.teachers.protocol import Teacher


@dataclass
class Job:
    """A photo and the boxes to look at.

    Attributes:
        photo: gives (H, W, 3) uint8 RGB; called once, when its turn comes.
        boxes: (R, 4) float32 x1 y1 x2 y2 in pixels, with an area in the photo.
        failure: filled in: why there are no features.
    """

    photo: Callable[[], np.ndarray]
    boxes: np.ndarray
    failure: str | None = None


@dataclass
class _Batch:
    """Squares, and which photo each is of."""

    squares: np.ndarray
    owners: list[int]


@dataclass
class _Rows:
    """What has been encoded so far, by photo."""

    dim: int
    parts: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def add(self, owners: Sequence[int], rows: np.ndarray) -> None:
        for owner, group in itertools.groupby(enumerate(owners), lambda pair: pair[1]):
            places = [place for place, _ in group]
            part = rows[places[0] : places[-1] + 1]
            self.parts.setdefault(owner, []).append(part)

    def of(self, owner: int) -> np.ndarray:
        """(R, D) float32: the scales of each box summed."""
        parts = self.parts.get(owner, [])
        rows = np.concatenate([np.zeros((0, self.dim), np.float32), *parts])
        return sum_of_scales(rows.reshape(len(SCALES), -1, self.dim))


def encode_boxes(
    jobs: Sequence[Job],
    teacher: Teacher,
    batch_size: int,
    threads: int = 1,
    done: Callable[[], Any] = lambda: None,
) -> list[np.ndarray | None]:
    """What a teacher makes of boxes: crops of 1 and 1.5 times the box, summed.

    Which crops share a batch depends on the jobs and on `batch_size` alone, so the
    bits of the result do too. While a batch is encoded, threads make the next.

    Args:
        jobs: photos with boxes. Those whose photo cannot be had or whose crops the
            teacher cannot encode get a `failure`.
        teacher: any with an image encoder.
        batch_size: crops that are encoded together.
        threads: that make crops.
        done: called for each photo when its last crop is made.

    Returns:
        For each job (R, D) float32 unit rows; None if it failed.

    Raises:
        TeacherError: if the teacher fails on a batch, but not on its photos one by
            one.

    Source: paper section 3.2.
    """
    rows = _Rows(int(teacher.dim))
    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(1) as ahead:
        batches = _batches(jobs, teacher, batch_size, threads, pool, done)
        coming = ahead.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = ahead.submit(next, batches, None)
            _encode(batch, jobs, teacher, rows)
    return [
        rows.of(index) if job.failure is None else None
        for index, job in enumerate(jobs)
    ]


def _batches(
    jobs: Sequence[Job],
    teacher: Teacher,
    batch_size: int,
    threads: int,
    pool: ThreadPoolExecutor,
    done: Callable[[], Any],
) -> Iterator[_Batch]:
    side = int(teacher.image_size)
    resize = getattr(teacher, "resize", "squash")
    crops = _crops(jobs, done)
    while items := list(itertools.islice(crops, batch_size)):
        squares = np.empty((len(items), side, side, 3), np.uint8)

        def make(first: int, items: Any = items, squares: Any = squares) -> None:
            for place in range(first, len(items), threads):
                _, photo, bounds = items[place]
                squares[place] = crop_square(photo, bounds, side, resize)

        list(pool.map(make, range(threads)))  # Pillow lets other threads run
        yield _Batch(squares, [item[0] for item in items])


def _crops(
    jobs: Sequence[Job], done: Callable[[], Any]
) -> Iterator[tuple[int, Image.Image, np.ndarray]]:
    """Each crop of each job: all of the first scale, then all of the next."""
    for index, job in enumerate(jobs):
        if job.failure is None and len(job.boxes):
            try:
                pixels = job.photo()
            except Exception as error:  # whatever a dataset may meet in a photo
                job.failure = said(error)
            else:
                photo, size = Image.fromarray(pixels), pixels.shape[:2]
                for scale in SCALES:
                    for bounds in crop_bounds(job.boxes, size, scale):
                        yield index, photo, bounds
        done()


def _encode(batch: _Batch, jobs: Sequence[Job], teacher: Teacher, rows: _Rows) -> None:
    try:
        rows.add(batch.owners, encode_image(teacher, batch.squares))
        return
    except Exception as error:  # a teacher is somebody else's
        whole = error
    failed = False
    owners = np.array(batch.owners)
    for owner in dict.fromkeys(batch.owners):
        mine = np.flatnonzero(owners == owner)
        try:
            rows.add([owner] * len(mine), encode_image(teacher, batch.squares[mine]))
        except Exception as error:
            failed = True
            if jobs[owner].failure is None:
                jobs[owner].failure = said(error)
    if not failed:
        raise TeacherError(
            f"The teacher {teacher.name!r} fails on {len(owners)} crops together, but "
            f"on none of their photos alone: take a smaller batch_size ({said(whole)})."
        ) from whole
