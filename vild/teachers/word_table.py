"""A text encoder that is one table: words and their pieces, each with a vector."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_LONGEST_WORD = 100  # characters; a longer one is unknown
_MARK = "##"  # before a piece that continues a word
UNKNOWN = "[UNK]"
"""What stands for a word of which nothing is in a table."""
_TOKEN = re.compile(r"[^\W_]+|[^\w\s]|_")


class WordTable:
    """Texts -> vectors: the sum of what a table has for their words.

    A word that is not in the table is cut into pieces that are, the longest first. So
    every text has a vector, which depends on its words and not on their order.

    Args:
        entries: K texts, each once: words, and pieces with `##` before them that
            continue a word; among them `[UNK]`.
        rows: (K, D) float32, the vector of each. Its length is its weight in a sum.

    Example:
        >>> rows = np.eye(4, dtype=np.float32)
        >>> table = WordTable(["[UNK]", "hot", "dog", "##house"], rows)
        >>> table.cut("A hot doghouse!")
        ['[UNK]', 'hot', 'dog', '##house', '[UNK]']
        >>> table.encode(["dog"])[0].tolist()
        [0.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, entries: Sequence[str], rows: np.ndarray) -> None:
        self.entries, self.rows = list(entries), rows
        self._row_of = {entry: row for row, entry in enumerate(self.entries)}

    def __len__(self) -> int:
        return len(self.entries)

    def encode(self, texts: Iterable[str]) -> np.ndarray:
        """The vectors of texts.

        Args:
            texts: N strings.

        Returns:
            (N, D) float32 sums of rows; zeros for a text without any word.
        """
        sums = [self.rows[self.numbers(text)].sum(axis=0) for text in texts]
        return np.array(sums, np.float32).reshape(len(sums), self.rows.shape[1])

    def numbers(self, text: str) -> list[int]:
        """Which rows a text consists of.

        Args:
            text: any.

        Returns:
            Numbers of entries, in the text's order.
        """
        return [self._row_of[entry] for entry in self.cut(text)]

    def cut(self, text: str) -> list[str]:
        """Cuts a text into entries of the table.

        Args:
            text: any.

        Returns:
            The entries, in the text's order.
        """
        return [piece for word in words_of(text) for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        """The longest pieces from the left; or none of the word is known."""
        pieces, start = [], 0
        if len(word) > _LONGEST_WORD:
            return [UNKNOWN]
        while start < len(word):
            mark = _MARK if start else ""
            for end in range(len(word), start, -1):
                if mark + word[start:end] in self._row_of:
                    pieces.append(mark + word[start:end])
                    start = end
                    break
            else:
                return [UNKNOWN]
        return pieces


def words_of(text: str) -> list[str]:
    """Words and signs of a text, in lower case and without accents.

    Args:
        text: any.

    Returns:
        Words of letters and digits, and signs one by one.

    Example:
        >>> words_of("Crème brûlée (T-shirt)")
        ['creme', 'brulee', '(', 't', '-', 'shirt', ')']
    """
    plain = unicodedata.normalize("NFD", text.lower())
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
    return _TOKEN.findall(plain)


def packed(table: WordTable) -> dict[str, np.ndarray]:
    """A table as it is shipped: numbers of 8 bits, and a scale for each row.

    Args:
        table: any.

    Returns:
        `entries`, the UTF-8 of all texts, a line each; `rows` (K, D) int8; `scales`
        (K,) float16.

    Example:
        >>> rows = np.float32([[0, 1], [-2, 1]])
        >>> unpacked(packed(WordTable(["[UNK]", "a"], rows))).rows.round(1).tolist()
        [[0.0, 1.0], [-2.0, 1.0]]
    """
    scales = (np.abs(table.rows).max(axis=1) / 127).astype(np.float16)
    whole = np.maximum(scales.astype(np.float32), 1e-7)[:, None]
    rows = np.clip(np.rint(table.rows / whole), -127, 127).astype(np.int8)
    text = "\n".join(table.entries).encode()
    return {"entries": np.frombuffer(text, np.uint8), "rows": rows, "scales": scales}


def unpacked(arrays: Mapping[str, np.ndarray]) -> WordTable:
    """A table from what is shipped.

    Args:
        arrays: as `packed` gives them.

    Returns:
        The table.

    Example:
        >>> from vild.teachers.packed import packed_weights
        >>> len(unpacked(packed_weights("sticker_words.npz")))
        27559
    """
    entries = arrays["entries"].tobytes().decode().split("\n")
    scales = arrays["scales"].astype(np.float32)
    return WordTable(entries, arrays["rows"].astype(np.float32) * scales[:, None])
