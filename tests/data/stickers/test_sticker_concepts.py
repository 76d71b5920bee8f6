import re
from collections import Counter

from vild.data.stickers.concepts import PARTS, concepts
from vild.data.stickers.styles import STYLES, style, styles_of


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


def test_parts_come_one_after_another():
    parts = [c.part for c in concepts()]
    assert parts == sorted(parts, key=PARTS.index)
    assert Counter(parts) == {"base": 481, "novel": 145, "val": 48}


def test_styles_of_one_artwork_are_in_one_part():
    fluent = {s.part for s in STYLES if "fluent" in s.package}
    assert fluent == {"test"}
    assert style("twemoji").part == "test"
    hands = {p: {s.author for s in styles_of(p)} for p in ("train", "val", "test")}
    assert not hands["train"] & hands["test"]
    assert not hands["val"] & (hands["train"] | hands["test"])
    assert len({s.file_name for s in STYLES}) == len(STYLES)
    assert all(len(s.sha512) == 88 for s in STYLES)
