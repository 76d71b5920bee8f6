"""`vild detect`: photos and words in, pictures, tables and JSON out."""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vild.cli import console, options, photos
from vild.cli.output import STDOUT, entry, json_list, picture_paths, write_picture
from vild.errors import InputError
from vild.presets import DEFAULT_PRESET, DEMO_SCENE, DEMO_WORDS

if TYPE_CHECKING:
    import numpy as np

    from vild.detector import Detector
    from vild.results import Detections
    from vild.vocabulary import Vocabulary

# A photo, where its picture goes, and its pixels.
Loaded = tuple[Path, Path, "np.ndarray"]


def add_command(commands: Any) -> None:
    """Adds `vild detect`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "detect",
        help="find things named in words in photos",
        description="Finds what the words name in photos, draws it and lists it. "
        "Without a photo it looks at a scene of drawn things that comes with vild.",
        epilog="Exit code: 0; 1 if a photo, a word or a setting could not be used.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "photos",
        nargs="*",
        metavar="PHOTO",
        help="a file, a folder of pictures, or a pattern",
    )
    parser.add_argument(
        "--classes",
        metavar="A,B,C",
        help='names separated by commas, synonyms by |: "sofa|couch,traffic cone"; '
        "or @FILE with a class a line, or @WORDS.npz, a saved vocabulary (default: "
        "the model's own)",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="a preset, see `vild models`, or a detector directory "
        f"(default: {DEFAULT_PRESET}, which comes with vild and knows drawn things; "
        "for photos take r50-ensemble)",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="C",
        help="a released checkpoint for the preset, which is then not downloaded",
    )
    parser.add_argument(
        "--teacher",
        metavar="T",
        help="the teacher that encodes words the model has no vectors for, e.g. "
        "open_clip:ViT-B-32/FILE, in place of the model's own: same space needed",
    )
    parser.add_argument(
        "--templates",
        metavar="NAME|@FILE",
        help="prompts for the teacher: single, vild, vild-demo or name, or @FILE with "
        "a template a line, {} for the name; all words are then encoded",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("detections"),
        metavar="DIR",
        help="folder for the pictures (default: detections)",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the detections to FILE; - for stdout, the tables then go to stderr",
    )
    parser.add_argument(
        "--batch-size",
        type=options.count,
        default=8,
        metavar="N",
        help="photos that are looked at together (default: 8)",
    )
    options.add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild detect`.

    Args:
        arguments: of the command's parser.

    Returns:
        0, or 1 if some photo could not be used.

    Raises:
        VildError: if nothing can be done at all.
    """
    # Loading a model takes seconds to minutes: first all that can be known without.
    settings = options.given_settings(arguments)
    classes = options.read_classes(arguments.classes)
    templates = options.read_templates(arguments.templates)
    if templates is not None and not isinstance(classes, list | None):
        raise InputError(
            "--templates are for words: a saved vocabulary is encoded already."
        )
    of_photos = bool(arguments.photos)
    if not of_photos and (arguments.model or arguments.checkpoint or arguments.json):
        raise InputError(
            "No photo is named, and --model, --checkpoint and --json are for photos: "
            "name one."
        )
    if not of_photos:
        console.note("no photo is named: looking at a scene that comes with vild.")
        arguments.photos = [str(DEMO_SCENE)]
        if classes is None:
            classes = [[word] for word in DEMO_WORDS]
    found, problems = photos.expand(arguments.photos)
    _check_targets(found, arguments.out, arguments.json)
    for problem in problems:
        console.error(problem)
    if not found:
        return 1
    detector = _load(arguments, settings)
    if of_photos and arguments.model is None:
        console.note(
            f"{DEFAULT_PRESET} knows drawn things only: for photos name a model of "
            "photos, e.g. --model r50-ensemble."
        )
    words = detector.vocabulary(classes, templates=templates)
    skipped = _detect_all(detector, words, found, arguments)
    return 1 if problems or skipped else 0


def _check_targets(found: Sequence[Path], out: Path, listing: str | None) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: name a folder for the pictures.")
    if listing in (None, STDOUT):
        return
    path = Path(listing or "")
    if path.is_dir():
        raise InputError(f"--json {path} is a folder: name a file for the detections.")
    if path.exists() and any(path.samefile(photo) for photo in found):
        raise InputError(f"--json {path} is one of the photos: name another file.")


def _load(arguments: argparse.Namespace, settings: dict[str, Any]) -> "Detector":
    # Only here does a framework start.
    from vild.pretrained import load_pretrained

    model = DEFAULT_PRESET if arguments.model is None else arguments.model
    return load_pretrained(
        model, arguments.checkpoint, teacher=arguments.teacher, **settings
    )


def _detect_all(
    detector: "Detector",
    words: "Vocabulary",
    found: Sequence[Path],
    arguments: argparse.Namespace,
) -> int:
    """Looks at the photos batch by batch; returns how many could not be used."""
    from tqdm import tqdm

    tables = sys.stderr if arguments.json == STDOUT else sys.stdout
    # Batches of equal size, so that one compiled program serves them all.
    size = -(-len(found) // -(-len(found) // arguments.batch_size))
    done = 0
    hidden = len(found) == 1 or not sys.stderr.isatty()
    with (
        json_list(arguments.json) as add,
        tqdm(total=len(found), unit="photo", disable=hidden) as bar,
    ):
        readable = _readable(found, picture_paths(found, arguments.out), bar)
        while batch := list(itertools.islice(readable, size)):
            start = time.perf_counter()
            pixels = [loaded[2] for loaded in batch]
            if done:
                pixels += pixels[-1:] * (size - len(batch))
            results: Any = detector.detect(pixels, words, batch_size=size)
            share = (time.perf_counter() - start) / len(batch)
            for photo, picture, image in batch:
                # Masks unpack when they are drawn: hold those of one photo only.
                result = results.pop(0)
                start = time.perf_counter()
                write_picture(result.draw(image), picture)
                add(entry(photo, result))
                spent = share + time.perf_counter() - start
                with bar.external_write_mode(tables):
                    print(_report(photo, picture, result, spent, done), file=tables)
                done += 1
                bar.update()
    return len(found) - done


def _readable(
    found: Sequence[Path], pictures: Sequence[Path], bar: Any
) -> Iterator[Loaded]:
    """Reads photo after photo; leaves out, and names, those that cannot be read."""
    from vild.data.images import load_image

    for photo, picture in zip(found, pictures, strict=True):
        try:
            image = load_image(photo)
        except InputError as problem:
            with bar.external_write_mode(sys.stderr):
                console.error(problem)
            bar.update()
        else:
            yield photo, picture, image


def _report(
    photo: Path, picture: Path, result: "Detections", seconds: float, done: int
) -> str:
    """A heading and a table, with a blank line between photos."""
    number = "1 detection" if len(result) == 1 else f"{len(result)} detections"
    lines = [f"{photo}: {number}, drawn in {picture} ({seconds:.2f} s)"]
    if len(result):
        lines.append(result.table())
    return ("\n" if done else "") + "\n".join(lines)
