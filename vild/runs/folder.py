"""The folder of a training: what it is of, where it stands, what came out.

run.json            recipe, dataset, teacher: what the training is of
checkpoints/last    weights, optimiser, step; `best` beside it
history.csv         what was measured after each round
tensorboard/        the same for TensorBoard, where that is installed
detector/           the finished detector, for `vild.load_pretrained`
"""

import csv
import io
import json
from pathlib import Path
from typing import Any

from vild.errors import InputError, TrainingError, VildError
from vild.files import recover, replacing, writing
from vild.recipes import Recipe, recipe_from

# What may differ when a training goes on: it changes nothing that was done.
_MAY_CHANGE = {"recipe.steps", "recipe.save_every", "recipe.about"}
# Rates may be lowered by somebody who looks on.
_MAY_CHANGE_INSIDE = (
    "recipe.settings.",
    "recipe.optimizer.rate",
    "recipe.optimizer.start",
    "recipe.optimizer.boundaries",
)


class RunFolder:
    """A folder that a training writes into.

    Args:
        path: the folder.
        detector: where the finished detector goes, if it is not in there.
    """

    def __init__(self, path: Path, detector: Path | None = None) -> None:
        self.path = path
        self.about = path / "run.json"
        self.last = path / "checkpoints" / "last"
        self.best = path / "checkpoints" / "best"
        self.detector = path / "detector" if detector is None else detector
        self.tensorboard = path / "tensorboard"

    def claim(self, facts: dict[str, Any]) -> None:
        """Says what the training is of, or finds that it is the one begun before.

        Args:
            facts: recipe, dataset and teacher, JSON-serialisable.

        Raises:
            TrainingError: if another training was begun there.
            InputError: if the folder cannot be written.
        """
        check_claim(self.about, facts, "training")
        for path in (self.last, self.best, self.detector):
            recover(path)
        write_claim(self.about, facts)

    def write_history(self, history: list[dict[str, Any]]) -> None:
        """Writes the table of what was measured.

        Args:
            history: a row a round; rows may have other columns than the ones before.
        """
        names = list(dict.fromkeys(name for row in history for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        with replacing(self.path / "history.csv") as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")


def check_claim(about: Path, facts: dict[str, Any], what: str) -> None:
    """Refuses a folder in which something else was begun.

    Args:
        about: the file in it that says of what it is, if there is one.
        facts: of what it shall be, JSON-serialisable.
        what: what messages call it.

    Raises:
        TrainingError: if another one was begun there.
        InputError: if it holds something else.
    """
    folder = about.parent
    recover(about)
    if about.exists():
        different = _differences(_completed(_begun(about)), _as_json(facts))
        if different:
            path, old, new = different[0]
            raise TrainingError(
                f"{folder} holds a {what} with {path} = {old!r}, now it is {new!r}: "
                "name another folder, or delete that one."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is no folder of a {what}: name another.")


def write_claim(about: Path, facts: dict[str, Any]) -> None:
    """Says of what a folder is.

    Args:
        about: the file that says so; its folder is made.
        facts: JSON-serialisable.

    Raises:
        InputError: if it cannot be written.
    """
    text = json.dumps(_as_json(facts), indent=2)
    with writing(about), replacing(about) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def run_facts(recipe: Recipe, dataset: Any, teacher: Any, mark: Any) -> dict[str, Any]:
    """What a training is of.

    Args:
        recipe: resolved.
        dataset: any.
        teacher: its specification or name; None without one.
        mark: the teacher's fingerprint.

    Returns:
        What is compared when a training goes on.
    """
    return {
        "recipe": recipe.as_dict(),
        "dataset": {
            "name": dataset.name,
            "images": len(dataset),
            "fingerprint": getattr(dataset, "fingerprint", None),
        },
        "teacher": {"name": teacher, "fingerprint": mark},
    }


def _as_json(facts: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(facts)))


def _begun(about: Path) -> dict[str, Any]:
    try:
        begun = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{about} cannot be read ({error}).") from error
    return begun if isinstance(begun, dict) else {}


def _completed(begun: dict[str, Any]) -> dict[str, Any]:
    """With what its recipe could not say yet, where an older version wrote it."""
    try:
        recipe = recipe_from(begun["recipe"]).as_dict()
    except (KeyError, TypeError, VildError):
        return begun
    return {**begun, **_as_json({"recipe": recipe})}


def _differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for key in {**old, **new}
            for found in _differences(
                old.get(key), new.get(key), f"{path}.{key}" if path else key
            )
        ]
    if old == new or path in _MAY_CHANGE or path.startswith(_MAY_CHANGE_INSIDE):
        return []
    return [(path, old, new)]
