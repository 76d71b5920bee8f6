"""The benchmark as files: LVIS's form, TFRecords if wanted, and who drew it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from vild.data.coco_writing import write_coco
from vild.data.dataset import Dataset
from vild.data.record_writing import write_records
from vild.data.stickers.art import make_art, open_art
from vild.data.stickers.base_only import BaseOnly
from vild.data.stickers.catalogue import PARTS, concepts
from vild.data.stickers.credits import credits_text
from vild.data.stickers.dataset import Stickers
from vild.data.stickers.splits import categories, read_split
from vild.data.stickers.styles import Style
from vild.errors import DataError
from vild.files import replacing, writing

_CLAIM = "stickers.json"


def write_split(
    scenes: Stickers,
    out: str | os.PathLike[str],
    records: bool = False,
    workers: int = 1,
) -> Path:
    """Writes the scenes of a split as files that need neither vild nor the pictures.

    If the work is cut off, the same call goes on where it stopped; what is done
    already is left alone. In `train` only base concepts are annotated: who reads the
    files does not know that others are held out, and would train on them.

    Args:
        scenes: the split.
        out: a folder; the split gets one of its own in it, with `annotations.json`
            in LVIS's form and `images/`, to be read as `lvis:FOLDER`, and
            `CREDITS.md`.
        records: whether to write TFRecords too, to be read as `tfrecord:FOLDER`.
        workers: how many processes.

    Returns:
        The split's folder.

    Raises:
        DataError: if the folder holds other scenes, or files without `stickers.json`,
            by which scenes of one kind are told from another.
        InputError: if it cannot be written.
    """
    wanted = read_split(scenes.name.partition(":")[2])
    split = wanted.name.replace("/", "-")
    folder = Path(out) / split
    written: Dataset = BaseOnly(scenes) if wanted.split.tail else scenes
    fingerprint = getattr(written, "fingerprint", None)
    _claim(folder, {"fingerprint": fingerprint, "scenes": len(scenes)})
    # Before the scenes: whoever finds these finds their licences.
    credits = folder / "CREDITS.md"
    with writing(credits), replacing(credits) as temporary:
        temporary.write_text(credits_text(wanted.styles), encoding="utf-8")
    if not (folder / "annotations.json").exists():
        write_coco(written, folder, "lvis", workers)
    if records:
        write_records(written, folder, split, workers=workers)
    return folder


def make_all(splits: Sequence[str]) -> list[Style]:
    """Fetches and draws the pictures that some splits need, where they are not yet.

    Args:
        splits: as for `Stickers`.

    Returns:
        The styles that they show.

    Raises:
        DownloadError: if a package cannot be had or is not the one that is expected.
        DataError: if one is damaged.
        InputError: if resvg is missing or the cache cannot be written.
    """
    shown = {one: None for split in splits for one in read_split(split).styles}
    for one in shown:
        make_art(one)
    return [*shown]


def summary(styles: Sequence[Style], splits: Sequence[str]) -> str:
    """What there is, as a text for people.

    Args:
        styles: that have been made.
        splits: as for `Stickers`, whose styles are among these.

    Returns:
        Tables of styles, concepts and splits.
    """
    known = concepts()
    lines = [f"{'style':<12} {'part':<6} {'concepts':>8} {'pictures':>8}  licence"]
    for one in styles:
        art = open_art(one)
        drawn = sum(any(p.code in art for p in c.shown) for c in known)
        lines.append(
            f"{one.name:<12} {one.part:<6} {drawn:>8} {len(art):>8}  "
            f"{one.licence}, {one.author}"
        )
    counts = [f"{sum(c.part == part for c in known)} {part}" for part in PARTS]
    lines += ["", f"{len(known)} concepts: {', '.join(counts)}", ""]
    lines.append(
        f"{'split':<12} {'scenes':>6} {'frequent':>8} {'common':>6} {'rare':>5}  styles"
    )
    for wanted in map(read_split, splits):
        asked = [c.frequency for c in categories(wanted.split) if not c.excluded]
        hands = ", ".join(one.name for one in wanted.styles)
        lines.append(
            f"{wanted.name:<12} {wanted.length:>6} {asked.count('f'):>8} "
            f"{asked.count('c'):>6} {asked.count('r'):>5}  {hands}"
        )
    return "\n".join(lines)


def _claim(folder: Path, about: dict[str, object]) -> None:
    """Tells whether a folder is for the same scenes, or takes it."""
    path = folder / _CLAIM
    if path.is_file():
        try:
            claimed = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            claimed = None
        if claimed != about:
            raise DataError(
                f"{str(folder)!r} holds other scenes: name another folder, or "
                "delete it."
            )
        return
    found = [folder / name for name in ("annotations.json", "images")]
    left = [p.name for p in (*found, *folder.glob("*.tfrecord")) if p.exists()]
    if left:
        raise DataError(
            f"{str(folder)!r} holds {left[0]!r} but no {_CLAIM!r}, which tells what "
            "scenes these are: name another folder, or delete it."
        )
    with writing(path), replacing(path) as temporary:
        temporary.write_text(json.dumps(about) + "\n", encoding="utf-8")
