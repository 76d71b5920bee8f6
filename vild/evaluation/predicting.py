"""A detector's answers for a dataset, written to disk while they come.

    run.json        what was asked, and of whom
    results.part    a line for each image, in the dataset's order, while it grows
    results.json    all of them in COCO's form, once they are there

The same call goes on where an earlier one was cut off.
"""

import json
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from vild.data.dataset import Dataset, Example
from vild.errors import DataError
from vild.evaluation.detecting import Asking, look
from vild.evaluation.entries import line, packed
from vild.evaluation.identity import claim, describe
from vild.files import replacing, writing

_RESULTS, _PART = "results.json", "results.part"

# Images whose masks wait to be packed: enough to keep all workers busy.
_WAITING = 64


@dataclass(frozen=True)
class Predicted:
    """Where predictions are, and how long they took.

    Attributes:
        path: a json of results in COCO's form.
        images: how many were looked at now.
        seconds: how long that took.
    """

    path: Path
    images: int
    seconds: float

    def __str__(self) -> str:
        if not self.images:
            return "all images had been looked at before"
        speed = self.images / max(self.seconds, 1e-9)
        return f"{self.images} images in {self.seconds:.1f} s, {speed:.2f} images/s"


def predict(
    asking: Asking,
    dataset: Dataset,
    count: int,
    folder: Path,
    *,
    batch_size: int = 8,
    workers: int = 0,
    seen: Callable[[Example], None] | None = None,
) -> Predicted:
    """Writes what a detector finds in a dataset.

    Masks are pasted and packed on the CPU while the detector looks at the next
    batches.

    Args:
        asking: the detector, and what it is asked.
        dataset: any.
        count: how many images, from the first on.
        folder: where to; it is made.
        batch_size: images that are looked at together.
        workers: processes that pack masks; 0 for a thread of this one. A program
            that asks for processes must begin with `if __name__ == "__main__":`.
        seen: called with every example, in order.

    Returns:
        The json of results.

    Raises:
        DataError: if the folder holds results of something else, or an image cannot
            be read.
        InputError: if the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    results, part = folder / _RESULTS, folder / _PART
    begun = claim(folder, describe(asking, dataset, count), (_RESULTS, _PART))
    size = min(batch_size, count)
    done = 0
    if begun:
        # Whole batches, so that the same images meet in the others.
        done = count if results.exists() else _whole_lines(part) // size * size
    for index in range(done):
        if seen is not None:
            seen(dataset[index])
    started = time.perf_counter()
    if not results.exists():
        with writing(part):
            _cut(part, done)
            with part.open("a", encoding="ascii") as file:
                for example in _write(
                    asking, dataset, done, count, size, workers, file
                ):
                    if seen is not None:
                        seen(example)
        _join(part, results)
    return Predicted(results, count - done, time.perf_counter() - started)


def _write(
    asking: Asking,
    dataset: Dataset,
    done: int,
    count: int,
    size: int,
    workers: int,
    file: IO[str],
) -> Iterator[Example]:
    """Looks at images and writes their lines; yields an example when it is written."""
    ids = None
    if asking.words is not None:
        ids = [category.id for category in asking.categories]
    waiting: deque[tuple[Example, Future[str]]] = deque()

    def written() -> Example:
        example, text = waiting.popleft()
        file.write(text.result() + "\n")
        file.flush()
        bar.update()
        return example

    packer = _packer(workers)
    with tqdm(total=count, initial=done, unit="image", disable=None) as bar:
        try:
            for example, answer in look(asking, dataset, range(done, count), size):
                facts = packed(example.image_id, answer, ids, asking.masks)
                waiting.append((example, packer.submit(line, **facts)))
                while len(waiting) > _WAITING or (waiting and waiting[0][1].done()):
                    yield written()
            while waiting:
                yield written()
        finally:
            packer.shutdown(cancel_futures=True)


def _packer(workers: int) -> Executor:
    if not workers:
        return ThreadPoolExecutor(1)
    # Frameworks start threads, which a forked process would wait for in vain.
    return ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_leave_ctrl_c_to_parent
    )


def _leave_ctrl_c_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _whole_lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(text.endswith(b"\n") for text in file)


def _cut(path: Path, lines: int) -> None:
    """Keeps the first lines; the one that was cut off goes."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        for _ in range(lines):
            file.readline()
        file.truncate(file.tell())


def _join(part: Path, results: Path) -> None:
    """Lines of images -> one list of results, in bounded memory."""
    with (
        writing(results),
        replacing(results) as temporary,
        part.open("rb") as lines,
        temporary.open("w", encoding="ascii") as file,
    ):
        before = "[\n"
        for text in lines:
            for result in _results(text, part):
                file.write(before + json.dumps(result))
                before = ",\n"
        file.write("\n]\n" if before != "[\n" else "[]\n")
    part.unlink()


def _results(text: bytes, part: Path) -> list[Any]:
    try:
        found: list[Any] = json.loads(text)["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{str(part)!r} is damaged ({error}): delete it and start again."
        ) from error
    return found
