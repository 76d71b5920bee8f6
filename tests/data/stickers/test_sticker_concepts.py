import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from vild.data.stickers.catalogue import PARTS, concepts
from vild.data.stickers.credits import credits_text
from vild.data.stickers.styles import STYLES, style, styles_of

pytestmark = pytest.mark.numpy


def test_every_name_means_one_concept():
    known = concepts()
    names = Counter(name for c in known for name in c.synonyms)
    assert not [name for name, count in names.items() if count > 1]
    for concept in known:
        assert concept.name == concept.synonyms[0]
        assert all(re.fullmatch(r"[a-zñ0-9'. -]+", n) for n in concept.synonyms)


def test_every_picture_belongs_to_one_concept():
    codes = Counter(p.code for c in concepts() for p in c.pictures)
    assert max(codes.values()) == 1
    assert all(re.fullmatch(r"[0-9a-f]+(-[0-9a-f]+)*", code) for code in codes)


def test_photos_are_of_concepts():
    lines = files("vild.data.stickers").joinpath("photos.txt").read_text("utf-8")
    named = [x.split(" | ")[0] for x in lines.splitlines() if not x.startswith("#")]
    shot = {c.name: c for c in concepts() if c.photos}
    assert sorted(named) == sorted(shot)
    codes = Counter(photo.code for c in shot.values() for photo in c.photos)
    assert max(codes.values()) == 1
    assert all(re.fullmatch(r"[a-z]+(/\w[\w-]*)+", code) for code in codes)
    assert {c.part for c in shot.values()} == {"base", "novel"}


# What may end in the same words all the same.
DIFFERENT = {
    ("fortune cookie", "cookie"): "folded, with a slip of paper",
    ("champagne glasses", "glasses"): "the others are spectacles",
    ("clinking glasses", "glasses"): "the others are spectacles",
    ("cocktail glass", "glasses"): "the others are spectacles",
    ("magnifying glass", "glasses"): "the others are spectacles",
    ("teddy bear", "bear"): "a toy; the other is an animal's face",
    ("palm tree", "tree"): "a stem with fronds; the other is a round crown",
    ("lab coat", "coat"): "white and open; the other is coloured and closed",
    ("bowl with spoon", "spoon"): "a bowl first of all",
    ("tent", "circus tent"): "small and open; the other is a striped big top",
}


def singular(name):
    """The words of a name without endings of the plural."""
    words = []
    for word in name.replace("-", " ").split():
        if re.search(r"(ss|x|ch|sh)es$", word):
            word = word[:-2]
        elif re.search(r"[^s]{3}ies$", word):
            word = f"{word[:-3]}y"
        elif re.search(r"[^su]s$", word):
            word = word[:-1]
        words.append(word)
    return words


def test_no_held_out_concept_is_called_like_a_base_one():
    names = {n: (c.part, singular(n)) for c in concepts() for n in c.synonyms}
    base = {name: words for name, (part, words) in names.items() if part == "base"}
    alike = set()
    for one, (part, words) in names.items():
        for other, others in base.items() if part != "base" else ():
            shared = min(len(words), len(others))
            if words[-shared:] == others[-shared:]:
                alike.add((one, other))
    assert alike == set(DIFFERENT)


@pytest.mark.parametrize(
    "together",
    [
        "loudspeaker, speaker, megaphone",
        "postbox, mailbox",
        "chair, seat",
        "stack of books, book, open book, notebook, spiral notepad",
        "subway train, train",
        "ice cream, soft ice cream",
        "wheelchair, motorized wheelchair",
        "film camera, video camera, film projector",
        "nest, nest with eggs",
        "drum, long drum",
        "key, old key",
        "cloud, thundercloud, rain cloud",
        "christmas tree, evergreen tree",
        "banknote, money with wings",
        "red apple, green apple",
        "umbrella, closed umbrella",
        "chick, hatching chick",
        "scooter, kick scooter",
        "microphone, studio microphone",
        "envelope, red envelope",
        "ram, sheep",
        "temple, bank",
        "compact disc, minidisc",
        "boot, hiking boot",
    ],
)
def test_what_looks_alike_is_in_one_part(together):
    parts = {c.name: c.part for c in concepts()}
    assert len({parts[name] for name in together.split(", ")}) == 1


def test_parts_come_one_after_another():
    parts = [c.part for c in concepts()]
    assert parts == sorted(parts, key=PARTS.index)
    assert Counter(parts) == {"base": 481, "novel": 145, "val": 48}


def test_the_credits_say_what_the_licences_ask_for():
    for one in STYLES:
        text = credits_text([one])
        assert f"| {one.author} | {one.licence} | https://" in text
        assert one.source in text
        notice = "Copyright (c) Microsoft Corporation." in text
        assert notice == (one.licence == "MIT")
        assert notice == ("The above copyright notice and this permission" in text)
        assert ("share alike" in text) == (one.licence == "CC-BY-SA-4.0")
        copyleft = "under the GNU General Public License, version 2" in text
        assert copyleft == one.licence.startswith("GPL")


def test_the_docs_credit_everybody_alike():
    docs = Path(__file__).parents[3] / "docs"
    rows = (docs / "stickers.md").read_text("utf-8").splitlines()
    for one in STYLES:
        words = re.compile(rf"\| ([\w-]+, )*{one.name}(, [\w-]+)* \| (.*)")
        told = [found[3] for row in rows if (found := words.match(row))]
        author = one.author.partition(" (")[0]
        assert any(row.startswith(f"{author} | {one.licence} |") for row in told)
    notice = (docs / "images" / "stickers-NOTICE.md").read_text("utf-8")
    assert "Copyright (c) Microsoft Corporation." in notice
    assert "Apache-2.0" in notice


def test_styles_of_one_artwork_are_in_one_part():
    fluent = {s.part for s in STYLES if "fluent" in s.package}
    assert fluent == {"test"}
    assert style("twemoji").part == "test"
    assert style("stamps").part == "photos"
    hands = {p: {s.author for s in styles_of(p)} for p in ("train", "val", "test")}
    assert not hands["train"] & hands["test"]
    assert not hands["val"] & (hands["train"] | hands["test"])
    assert len({s.file_name for s in STYLES}) == len(STYLES)
    assert all(len(s.sha512) == 88 for s in STYLES)
