"""Photos of a report: ground truth and answers side by side."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vild.data.dataset import Dataset, Example
from vild.data.rle import decode_rle
from vild.drawing import draw_detections
from vild.evaluation.evaluation import Evaluation
from vild.evaluation.matching import HIT, MISS, Matches

_WIDTH = 560
_MOST = 40  # detections drawn into a photo


@dataclass(frozen=True)
class Shown:
    """A photo of the report.

    Attributes:
        title: says which it is and how it went.
        truth: JPEG with what is there, as base64.
        answers: JPEG with what was found.
    """

    title: str
    truth: str
    answers: str


def best_threshold(matches: Matches) -> float:
    """The score at which precision and recall of all detections balance best (F1).

    Args:
        matches: what became of the detections, at an overlap of 0.5.

    Returns:
        A score; 0 if nothing was found.
    """
    order = np.argsort(-matches.scores, kind="stable")
    outcome = matches.outcome[order, 0, 0]
    found, wrong = np.cumsum(outcome == HIT), np.cumsum(outcome == MISS)
    if not len(found) or not found[-1]:
        return 0.0
    f1 = 2 * found / (found + wrong + max(int(matches.wanted[:, 0].sum()), 1))
    return float(matches.scores[order][int(f1.argmax())])


@dataclass(frozen=True)
class Choice:
    """A photo that was chosen.

    Attributes:
        image: its number.
        found: objects that were found.
        wanted: objects that there are to find.
        wrong: answers that are mistakes.
    """

    image: int
    found: int
    wanted: int
    wrong: int

    def __str__(self) -> str:
        return f"{self.found} of {self.wanted} found, {self.wrong} mistaken"


def choose(evaluation: Evaluation, threshold: float, count: int) -> list[Choice]:
    """Picks photos in which it went well, as usual, and badly.

    Args:
        evaluation: of boxes.
        threshold: detections of at least this score count.
        count: how many photos.

    Returns:
        Photos, from the best to the worst.
    """
    matches = evaluation.scored["bbox"].matches
    images = len(evaluation.truth.image_ids)
    above = matches.scores >= threshold
    outcome = matches.outcome[:, 0, 0]
    found = np.bincount(matches.image[above & (outcome == HIT)], minlength=images)
    wrong = np.bincount(matches.image[above & (outcome == MISS)], minlength=images)
    wanted = np.bincount(matches.wanted_image[matches.wanted[:, 0]], minlength=images)
    f1 = 2 * found / np.maximum(found + wrong + wanted, 1)
    some = np.flatnonzero(wanted > 0)
    ranked = some[np.argsort(-f1[some], kind="stable")]
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked)))
    return [
        Choice(int(i), int(found[i]), int(wanted[i]), int(wrong[i]))
        for i in ranked[places.round().astype(int)]
    ]


def show(
    evaluation: Evaluation, dataset: Dataset, choices: list[Choice], threshold: float
) -> list[Shown]:
    """Draws photos.

    Args:
        evaluation: what was found.
        dataset: has the photos.
        choices: which photos.
        threshold: detections of at least this score are drawn.

    Returns:
        The photos.

    Raises:
        DataError: if a photo cannot be read.
    """
    ids = evaluation.truth.image_ids
    wanted = {int(ids[choice.image]): choice for choice in choices}
    shown: dict[int, Shown] = {}
    for index in range(len(dataset)):
        if len(shown) == len(wanted):
            break
        example = dataset[index]
        choice = wanted.get(example.image_id)
        if choice is not None:
            shown[choice.image] = _draw(evaluation, example, choice, threshold)
    return [shown[c.image] for c in choices if c.image in shown]


def _draw(
    evaluation: Evaluation, example: Example, choice: Choice, threshold: float
) -> Shown:
    truth, found = evaluation.truth, evaluation.predictions
    names = [category.name for category in truth.categories]
    row_of = {category.id: row for row, category in enumerate(truth.categories)}
    rows = np.array([row_of[i] for i in example.category_ids.tolist()], np.int64)
    pixels = example.picture.decode(example.size)
    real = draw_detections(
        pixels, example.boxes, [names[row] for row in rows], example.masks, rows
    )
    here = np.flatnonzero((found.image == choice.image) & (found.scores >= threshold))
    here = here[np.argsort(-found.scores[here], kind="stable")[:_MOST]]
    boxes = found.boxes[here].copy()
    boxes[:, 2:] += boxes[:, :2]
    labels = [f"{found.scores[i]:.2f}" for i in here]
    if evaluation.protocol.rules != "proposals":
        labels = [
            f"{names[row]} {label}"
            for row, label in zip(found.category[here], labels, strict=True)
        ]
    masks = _masks(evaluation, here)
    answers = draw_detections(pixels, boxes, labels, masks, found.category[here])
    title = f"{example.file_name or example.image_id}: {choice}"
    return Shown(title, _encoded(real), _encoded(answers))


def _masks(evaluation: Evaluation, numbers: np.ndarray) -> np.ndarray | None:
    """Masks of detections; those that no object was compared with are not kept."""
    found, truth = evaluation.predictions, evaluation.truth
    if "segm" not in evaluation.scored or found.mask is None:
        return None
    there = np.isin(
        truth.key(found.image[numbers], found.category[numbers]),
        truth.key(truth.image, truth.category),
    )
    height, width = truth.sizes[found.image[numbers[0]]] if len(numbers) else (1, 1)
    masks = np.zeros((len(numbers), int(height), int(width)), bool)
    for row in np.flatnonzero(there):
        masks[row] = decode_rle(found.mask(int(numbers[row])))
    return masks


def _encoded(picture: Image.Image) -> str:
    if picture.width > _WIDTH:
        height = round(picture.height * _WIDTH / picture.width)
        picture = picture.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
