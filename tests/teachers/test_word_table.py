import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vild.teachers.packed import packed_weights
from vild.teachers.word_table import WordTable, packed, unpacked, words_of

pytestmark = pytest.mark.numpy

ENTRIES = ["[UNK]", "hot", "dog", "##house", "##s", "a", "##b", "1"]
TABLE = WordTable(ENTRIES, np.eye(len(ENTRIES), dtype=np.float32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hot dogs", ["hot", "dog", "##s"]),
        ("a-hot,DOGHOUSE", ["a", "[UNK]", "hot", "[UNK]", "dog", "##house"]),
        ("ab", ["a", "##b"]),
        ("abbbb", ["a", "##b", "##b", "##b", "##b"]),
        # Nothing of a word is known unless all of it is.
        ("dogz", ["[UNK]"]),
        ("s", ["[UNK]"]),
        ("à", ["a"]),
        ("a" + "b" * 200, ["[UNK]"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_texts_are_cut_into_the_longest_pieces(text: str, expected: list[str]) -> None:
    assert TABLE.cut(text) == expected


@given(st.text(max_size=60))
def test_any_text_can_be_cut_and_order_does_not_matter(text: str) -> None:
    words = words_of(text)
    assert len(TABLE.cut(text)) >= len(words)
    turned = " ".join(reversed(words))
    np.testing.assert_array_equal(TABLE.encode([text]), TABLE.encode([turned]))


def test_a_text_is_the_sum_of_its_words() -> None:
    rows = np.arange(len(ENTRIES) * 3, dtype=np.float32).reshape(-1, 3)
    table = WordTable(ENTRIES, rows)
    found = table.encode(["a hot dog", "", "dogs"])
    np.testing.assert_array_equal(
        found, [rows[5] + rows[1] + rows[2], np.zeros(3), rows[2] + rows[4]]
    )
    assert found.dtype == np.float32
    assert table.encode([]).shape == (0, 3)


def test_eight_bits_keep_a_table() -> None:
    rows = np.random.default_rng(0).normal(size=(len(ENTRIES), 16))
    rows[2] = 0
    table = WordTable(ENTRIES, rows.astype(np.float32))
    again = unpacked(packed(table))
    assert again.entries == ENTRIES
    # Half a step of the largest number's 127th, and the scale has 11 bits.
    step = np.abs(table.rows).max(axis=1, keepdims=True) / 127
    assert (np.abs(again.rows - table.rows) <= 0.6 * step + 1e-3 * abs(rows)).all()
    assert not again.rows[2].any()


def test_the_shipped_table_is_small_and_has_each_entry_once() -> None:
    arrays = packed_weights("sticker_words.npz")
    table = unpacked(arrays)
    assert len(set(table.entries)) == len(table) == len(arrays["rows"])
    assert sum(array.nbytes for array in arrays.values()) < 4_000_000
    assert np.linalg.norm(table.rows, axis=1).min() > 0
