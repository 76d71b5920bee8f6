"""What watches a training while it runs."""

import contextlib
import json
import math
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.data.batches import Batches
from vild.errors import DataError, TrainingError, VildError
from vild.files import replacing


class NotANumber(keras.callbacks.Callback):
    """Stops a training whose loss is no number, and keeps the batch that did it.

    Args:
        batches: where batches come from; they can be made again.
        start: step that the round begins with.
        folder: where the batch is kept.
        process: number of this process, of which each has a part of the batch.
    """

    def __init__(
        self, batches: Batches, start: int, folder: Path, process: int = 0
    ) -> None:
        super().__init__()
        self.batches, self.start, self.folder = batches, start, folder
        self.process = process

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the losses.

        Args:
            batch: number of the batch in the round.
            logs: the losses so far; a mean that is no number stays so.
        """
        bad = [k for k, v in (logs or {}).items() if not math.isfinite(float(v))]
        if not bad:
            return
        step = self.start + batch
        images = self.batches.images(step)
        path = self.folder / f"not-a-number-{step:06}-{self.process}.npz"
        arrays: dict[str, Any] = self.batches.at(step)
        arrays["about"] = np.array(json.dumps([asdict(image) for image in images]))
        kept = f"is kept in {path}"
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays)
        except OSError as error:
            kept = f"could not be kept in {path} ({error.strerror or error})"
        ids = ", ".join(str(image.image_id) for image in images[:8])
        raise TrainingError(
            f"At step {step} the loss is no number any more ({', '.join(bad)}); the "
            f"batch, with the images {ids}{' ...' if len(images) > 8 else ''}, "
            f"{kept}. The last checkpoint holds numbers only: look at those images, "
            "or go on from there with a lower optimizer.rate."
        )


class StopAtSignal(keras.callbacks.Callback):
    """Ends the round at the next batch when the process is asked to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self.seen = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts, and ends the round if that was asked for.

        Args:
            batch: number of the batch in the round.
            logs: not looked at.
        """
        self.seen = batch + 1
        # All processes stop after the same batch, or some would wait for ever.
        self.asked = kernels.anywhere(self.asked)
        if self.asked:
            self.model.stop_training = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes Ctrl-C and termination as a wish inside the block.

        The second time they work as always.

        Yields:
            Nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only there can signals be caught
            return
        before: dict[int, Any] = {}

        def ask(number: int, frame: Any) -> None:
            self.asked = True
            signal.signal(number, before[number])

        for kind in (signal.SIGINT, signal.SIGTERM):
            before[kind] = signal.signal(kind, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def data_errors() -> Iterator[None]:
    """Lets an error of the data be one, whatever a framework made of it.

    TensorFlow calls Python for the next batch, and raises an error of its own with the
    text of ours in the middle.
    """
    try:
        yield
    except VildError:
        raise
    except Exception as error:
        inside = re.search(r"vild\.errors\.DataError: ([^\n]+)", str(error))
        if inside is None:
            raise
        raise DataError(inside[1].strip()) from error
