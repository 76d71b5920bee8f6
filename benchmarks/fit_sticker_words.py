"""Fits a table of words for the stickers to a sentence encoder, and measures it.

    pip install transformers torch
    python benchmarks/fit_sticker_words.py [--measure]

The encoder, all-MiniLM-L6-v2, and WordNet's nouns are fetched once. Its vectors of some
80 000 texts, less their mean, are turned to 128 dimensions (PCA). A row for each of
its vocabulary's words and pieces of words is fitted so that the sum of a text's rows
points where the encoder does: by the cosine, and by a softmax over the batch that keeps
neighbours apart. Every text is learned bare and within a prompt. Of one text in twenty
it is only measured how well it is met.
"""

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sticker_words_corpus import corpus, encoder_folder, wordnet_folder
from torch.nn import functional

import vild.teachers
from vild.data.stickers import concepts
from vild.files import replacing
from vild.prompts import read_templates, write_prompts
from vild.teachers.packed import packed_weights
from vild.teachers.protocol import unit_rows
from vild.teachers.word_table import UNKNOWN, WordTable, packed, unpacked

WEIGHTS = Path(vild.teachers.__file__).with_name("sticker_words.npz")
DIM = 128
BATCH, RATE = 2048, 2e-2
SCALE, CONTRAST = 20.0, 0.1  # of the softmax over the batch, and its weight
NAMES = 5.0  # weight of the stickers' own names
HELD_OUT = 20  # one text in so many
LONGEST = 24  # rows of a text
OURS = ("{}s", "a drawing of {article} {}", "an icon of {article} {}")

Encode = Callable[[Sequence[str]], np.ndarray]


def sentence_encoder(folder: Path) -> Encode:
    """The encoder: texts -> (N, 384) unit rows, means over their tokens."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def encode(texts: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(texts), model.config.hidden_size), np.float32)
        # Short with short: little is padded.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        began = time.monotonic()
        for start in range(0, len(order), 256):
            rows = order[start : start + 256]
            tokens = tokenizer(
                [texts[row] for row in rows], padding=True, return_tensors="pt"
            )
            told = tokens["attention_mask"][..., None]
            states = model(**tokens).last_hidden_state * told
            mean = states.sum(1) / told.sum(1)
            found[rows] = functional.normalize(mean, dim=1).numpy()
            if start and start % 10240 == 0:
                seconds = time.monotonic() - began
                print(f"{start} of {len(order)} texts, {seconds:.0f} s", flush=True)
        return found

    return encode


def encoded(texts: list[str], encode: Encode, kept: Path) -> np.ndarray:
    """The vectors of texts, of which those that were encoded before are kept."""
    known: dict[str, np.ndarray] = {}
    if kept.exists():
        with np.load(kept) as stored:
            lines = stored["texts"].tobytes().decode().split("\n")
            known = dict(zip(lines, stored["rows"], strict=True))
    new = [text for text in texts if text not in known]
    known |= dict(zip(new, encode(new).astype(np.float16), strict=True))
    if new:
        lines = np.frombuffer("\n".join(known).encode(), np.uint8)
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, texts=lines, rows=np.stack(list(known.values())))
    return np.stack([known[text] for text in texts]).astype(np.float32)


def fit(
    table: WordTable, texts: list[str], targets: np.ndarray, epochs: int
) -> np.ndarray:
    """Rows of a table whose sums point where the targets do."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    templates = [*read_templates("vild"), *OURS]
    prompted = [
        write_prompts(text, [templates[rng.integers(len(templates))]])[0]
        for text in texts
    ]
    names = {name.lower() for concept in concepts() for name in concept.synonyms}
    every = [table.numbers(text)[:LONGEST] for text in texts + prompted]
    numbers = np.full((len(every), max(map(len, every))), len(table), np.int64)
    for row, own in enumerate(every):
        numbers[row, : len(own)] = own
    numbers = torch.from_numpy(numbers)
    wanted = torch.from_numpy(np.concatenate([targets, targets]))
    weights = torch.tensor([NAMES if t in names else 1.0 for t in texts] * 2)
    rows = torch.zeros(len(table) + 1, DIM)  # the last one stands for no word
    rows[:-1] = torch.from_numpy(table.rows)
    rows.requires_grad_(True)
    optimiser = torch.optim.Adam([rows], RATE, betas=(0.9, 0.99))
    steps = len(numbers) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE, epochs * steps, pct_start=0.1
    )
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(numbers))[: steps * BATCH].split(BATCH):
            there = (numbers[batch] < len(table))[..., None]
            sums = (rows[numbers[batch]] * there).sum(1)
            units = functional.normalize(sums, dim=1)
            cosines = (units * wanted[batch]).sum(1)
            apart = functional.cross_entropy(
                SCALE * units @ wanted[batch].T, torch.arange(BATCH)
            )
            loss = ((1 - cosines) * weights[batch]).mean() + CONTRAST * apart
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += cosines.mean().item()
        print(f"epoch {epoch + 1}: cosine {total / steps:.3f}", flush=True)
    return rows[:-1].detach().numpy()


def measure(title: str, encode: Encode, texts: list[str], targets: np.ndarray) -> None:
    """Prints how well texts are met, and whether synonyms lead to their concept."""
    found = encode(texts)
    cosines = (found * targets).sum(axis=1).mean()
    chosen = np.random.default_rng(0).permutation(len(texts))[:1000]
    first = (found[chosen] @ targets[chosen].T).argmax(axis=1)
    names = encode([concept.name for concept in concepts()])
    pairs = [(s, k) for k, c in enumerate(concepts()) for s in c.synonyms[1:]]
    right = np.array([number for _, number in pairs])
    near = encode([synonym for synonym, _ in pairs]) @ names.T
    better = (near > near[np.arange(len(right)), right][:, None]).sum(axis=1)
    found_first = 100 * (first == np.arange(len(chosen))).mean()
    led, near_by = 100 * (better == 0).mean(), 100 * (better < 5).mean()
    print(
        f"{title:7} cosine {cosines:.3f}; of {len(chosen)} the right one first "
        f"{found_first:.1f} %; synonym -> concept {led:.1f} % (top 5 {near_by:.1f} %)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--work", type=Path, default=Path("runs/sticker-words"))
    parser.add_argument("--measure", action="store_true", help="only that")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    folder = encoder_folder(options.work)
    encode = sentence_encoder(folder)
    texts = corpus(wordnet_folder(options.work))
    vectors = encoded(texts, encode, options.work / "vectors.npz")
    mean = vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(
        unit_rows(vectors[:20000] - mean, len(mean)), full_matrices=False
    )

    def turned(rows: np.ndarray) -> np.ndarray:
        return unit_rows(unit_rows(rows - mean, len(mean)) @ axes[:DIM].T, DIM)

    targets = turned(vectors)
    held = np.arange(len(texts)) % HELD_OUT == 0
    shown = [text for text, out in zip(texts, held, strict=True) if not out]
    kept = [text for text, out in zip(texts, held, strict=True) if out]
    print(f"{len(shown)} texts, and {len(kept)} held out", flush=True)
    if not options.measure:
        vocabulary = (folder / "vocab.txt").read_text("utf-8").splitlines()
        entries = [
            entry
            for entry in vocabulary
            if entry == UNKNOWN or re.fullmatch(r"(##)?[a-z0-9]+", entry)
        ]
        pieces = encoded(
            [entry.removeprefix("##") for entry in entries],
            encode,
            options.work / "pieces.npz",
        )
        table = WordTable(entries, turned(pieces))
        counts = np.bincount(
            [row for text in shown for row in table.numbers(text)],
            minlength=len(table),
        )
        # Frequent words say little (smooth inverse frequency).
        table.rows = table.rows * (1 / (1 + 1e3 * counts / counts.sum()))[:, None]
        table.rows = table.rows.astype(np.float32)
        table.rows = fit(table, shown, targets[~held], options.epochs)
        with replacing(WEIGHTS) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **packed(table))
        packed_weights.cache_clear()
    measure("MiniLM", lambda some: turned(encode(some)), kept, targets[held])
    table = unpacked(packed_weights(WEIGHTS.name))
    measure(
        "table", lambda some: unit_rows(table.encode(some), DIM), kept, targets[held]
    )


if __name__ == "__main__":
    main()
