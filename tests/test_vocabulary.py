"""Vocabularies as people make them: from arrays, by a teacher, from others."""

import multiprocessing
import os
import warnings

import numpy as np
import pytest
from plugins import Words

import vild
from vild.errors import CheckpointError, InputError, TeacherError
from vild.prompts import SETS, write_prompts

NAMES = ["cat", ["sofa", "couch"], "traffic_light"]


def expected(groups, teacher, templates):
    """The rule written out, text by text."""
    rows = []
    for group in groups:
        group = [group] if isinstance(group, str) else group
        texts = [t for name in group for t in write_prompts(name, templates)]
        vectors = [teacher.encode_text([text])[0].astype("float64") for text in texts]
        mean = np.mean([v / np.linalg.norm(v) for v in vectors], axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows)


@pytest.mark.parametrize("templates", ["single", "vild", ["{}", "two {}s"]])
def test_vectors_are_means_over_templates_and_synonyms(templates):
    words = vild.Vocabulary.build(NAMES, Words(), templates)
    texts = SETS[templates] if isinstance(templates, str) else templates
    # A mean of float32 numbers below 1.
    np.testing.assert_allclose(
        words.embeddings, expected(NAMES, Words(), texts), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(words.embeddings, axis=1), 1, atol=1e-6)
    assert words.names == ["cat", "sofa", "traffic_light"]
    assert words.teacher == {"name": "words", "dim": 16, "image_size": 8}


def test_a_teacher_says_which_prompts_it_wants():
    teacher = Words()
    vild.Vocabulary.build(["cat"], teacher, cache=False)
    assert len(set(teacher.seen) - set("x")) >= 63
    teacher = Words()
    teacher.templates = ["only {}"]
    words = vild.Vocabulary.build(["cat"], teacher)
    np.testing.assert_allclose(
        words.embeddings, teacher.encode_text(["only cat"]), atol=1e-6
    )


def test_the_second_time_nothing_is_encoded():
    # As many as LVIS has, with all the prompts.
    names = [f"thing {i}" for i in range(1203)]
    first, second = Words(), Words()
    words = vild.Vocabulary.build(names, first)
    assert len(set(first.seen)) > 1203 * 63 - 10
    again = vild.Vocabulary.build(names, second)
    assert second.seen == []
    assert words == again
    # One word more costs one word more.
    third = Words()
    more = vild.Vocabulary.build([*names, "new"], third)
    assert {text for text in third.seen if "new" in text} == set(
        write_prompts("new", SETS["vild"])
    )
    assert not any("thing" in text for text in third.seen)
    np.testing.assert_array_equal(more.embeddings[:-1], words.embeddings)


def test_another_teacher_or_template_is_another_entry():
    plain = vild.Vocabulary.build(["cat"], Words(), "single")
    other = vild.Vocabulary.build(["cat"], Words(), ["{}"])
    assert plain != other
    teacher = Words()
    teacher.fingerprint = {"version": 2}
    vild.Vocabulary.build(["cat"], teacher, "single")
    assert "a photo of a cat." in teacher.seen


def test_a_teacher_without_a_fingerprint_is_asked_every_time():
    for _ in range(2):
        teacher = Words()
        teacher.fingerprint = None
        words = vild.Vocabulary.build(["cat"], teacher, "single")
        assert "a photo of a cat." in teacher.seen
        assert words.teacher is None


def test_vectors_of_a_file_stay_out_of_the_cache(tmp_path):
    """They carry the fingerprint of the teacher, but were made with other prompts."""
    made = vild.Vocabulary.build(["cat"], Words(), ["two {}", "three {}"])
    made.save(tmp_path / "words.npz")
    looked_up = vild.Vocabulary.build(["cat"], f"precomputed:{tmp_path}/words.npz")
    assert looked_up.teacher == made.teacher
    fresh = vild.Vocabulary.build(["cat"], Words(), "name")
    np.testing.assert_allclose(
        fresh.embeddings, Words().encode_text(["cat"]), atol=1e-6
    )


def test_a_teacher_made_with_another_text_is_another_teacher():
    class Tinted(Words):
        def __init__(self, tint):
            super().__init__()
            self.tint = tint

        def encode_text(self, texts):
            return super().encode_text([self.tint + text for text in texts])

    rows = [vild.Vocabulary.build(["cat"], Tinted(t), "name") for t in ("a", "b", "a")]
    assert rows[0] != rows[1]
    assert rows[0] == rows[2]


def _build(folder, barrier, queue):
    os.environ["VILD_CACHE"] = folder
    teacher = Words()
    barrier.wait()
    words = vild.Vocabulary.build([f"thing {i}" for i in range(300)], teacher)
    queue.put(words.embeddings)


def test_processes_share_the_cache(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(2), context.Queue()
    both = [
        context.Process(target=_build, args=(str(tmp_path), barrier, queue))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    found = [queue.get(timeout=120) for _ in both]
    for process in both:
        process.join()
        assert process.exitcode == 0
    np.testing.assert_array_equal(*found)
    os.environ["VILD_CACHE"] = str(tmp_path)
    teacher = Words()
    vild.Vocabulary.build([f"thing {i}" for i in range(300)], teacher)
    assert teacher.seen == []


class Killed(Words):
    def encode_text(self, texts):
        if len(self.seen) > 3000:
            raise KeyboardInterrupt
        return super().encode_text(texts)


def test_a_long_build_goes_on_where_it_was_stopped():
    names = [f"thing {i}" for i in range(100)]
    teacher = Killed()
    with pytest.raises(KeyboardInterrupt):
        vild.Vocabulary.build(names, teacher)
    teacher.seen.clear()
    whole = Killed()
    whole.seen = []
    words = vild.Vocabulary.build(names[:80], whole)
    assert len(whole.seen) < 80 * 63 - 2000
    np.testing.assert_allclose(
        words.embeddings, expected(names[:80], Words(), SETS["vild"]), atol=1e-6
    )


def cache_files():
    from vild.checkpoints.cache import cache_dir

    return list((cache_dir() / "text-embeddings").glob("*.sqlite"))


@pytest.mark.parametrize("damage", ["text", "cut", "middle", "empty"])
def test_a_damaged_cache_is_made_anew(damage):
    names = [f"thing {i}" for i in range(200)]
    words = vild.Vocabulary.build(names, Words(), "single")
    (path,) = cache_files()
    data = bytearray(path.read_bytes())
    if damage == "text":
        path.write_text("this is no database, " * 100)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "middle":
        data[4096:-100] = os.urandom(len(data) - 4196)
        path.write_bytes(data)
    else:
        path.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert vild.Vocabulary.build(names, Words(), "single") == words
    teacher = Words()
    assert vild.Vocabulary.build(names, teacher, "single") == words
    assert teacher.seen == [], "the new file serves"


def test_damage_is_told():
    vild.Vocabulary.build(["cat"], Words(), "single")
    (path,) = cache_files()
    path.write_text("this is no database, " * 100)
    with pytest.warns(UserWarning, match="was damaged .* made anew"):
        vild.Vocabulary.build(["cat"], Words(), "single")


def test_a_row_that_rotted_is_computed_again():
    import sqlite3

    words = vild.Vocabulary.build(["cat", "dog"], Words(), "single")
    (path,) = cache_files()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE vectors SET vector = zeroblob(64) WHERE name = 'cat'")
    assert vild.Vocabulary.build(["cat", "dog"], Words(), "single") == words
    assert vild.Vocabulary.build(["cat", "dog"], Words(), "single") == words


def test_a_name_that_rotted_is_not_taken_for_another():
    import sqlite3

    vild.Vocabulary.build(["cat", "dog"], Words(), "name")
    (path,) = cache_files()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE vectors SET name = 'cow' WHERE name = 'cat'")
        file.execute("UPDATE vectors SET vector = NULL WHERE name = 'dog'")
    words = vild.Vocabulary.build(["cow", "dog"], Words(), "name")
    np.testing.assert_allclose(
        words.embeddings, Words().encode_text(["cow", "dog"]), atol=1e-6
    )


def test_a_cache_of_another_make_is_made_anew():
    import sqlite3

    words = vild.Vocabulary.build(["cat"], Words(), "name")
    (path,) = cache_files()
    path.unlink()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE vectors (something INTEGER)")
    with pytest.warns(UserWarning, match="was damaged"):
        assert vild.Vocabulary.build(["cat"], Words(), "name") == words
    teacher = Words()
    assert vild.Vocabulary.build(["cat"], teacher, "name") == words
    assert teacher.seen == []


def test_where_nothing_can_be_kept_the_work_goes_on(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VILD_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="cannot be kept.*VILD_CACHE"):
        words = vild.Vocabulary.build(["cat"], Words(), "single")
    assert len(words) == 1


def test_saved_and_loaded_words_are_equal(tmp_path):
    for base in (None, True, [True, False, True]):
        words = vild.Vocabulary.build(NAMES, Words(), "single", base)
        words.save(tmp_path / "words.npz")
        again = vild.Vocabulary.load(tmp_path / "words.npz")
        assert again == words
        assert again.teacher == words.teacher
    assert words != "words"
    assert words != words.with_base(True)
    assert words != vild.Vocabulary(NAMES, words.embeddings, [True, False, True])
    assert words.subset(["sofa"]) != words.subset(["couch"])
    with pytest.raises(TypeError, match="unhashable"):
        hash(words)


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "words.npz"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "evil"),)

    rows = np.eye(1, 4, dtype="float32")
    np.savez(path, synonyms=np.array([Evil()], dtype=object), embeddings=rows)
    with pytest.raises(CheckpointError, match="not a vocabulary file"):
        vild.Vocabulary.load(path)
    with pytest.raises(CheckpointError):
        vild.teachers.get(f"precomputed:{path}")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("strange", ["[1]", "5", '{"x": NaN}', '{"x": {}}'])
def test_strange_fingerprints_are_refused(tmp_path, strange):
    path = tmp_path / "words.npz"
    np.savez(path, synonyms='[["cat"]]', embeddings=np.eye(1, 4), teacher=strange)
    for read in (vild.Vocabulary.load, lambda p: vild.teachers.get(f"precomputed:{p}")):
        with pytest.raises(CheckpointError, match="teacher are not what"):
            read(path)


def test_merging():
    cats = vild.Vocabulary(["cat", "dog"], np.eye(2, 4))
    more = vild.Vocabulary([["sofa", "couch"], "Dog"], np.eye(4)[2:])
    both = cats.merge(more)
    assert both.synonyms == [["cat"], ["dog"], ["sofa", "couch"]]
    np.testing.assert_array_equal(both.embeddings, np.eye(4)[:3])
    assert both.base is None
    assert both.teacher is None
    flagged = cats.with_base(True).merge(more.with_base([False, True]))
    assert flagged.base.tolist() == [True, True, False]
    with pytest.raises(InputError, match="base flags"):
        cats.merge(more.with_base(True))
    with pytest.raises(InputError, match="dimensions"):
        cats.merge(vild.Vocabulary(["x"], np.eye(1, 5)))
    # What is known of both stays known; what differs is refused.
    one, other = Words(), Words()
    one.fingerprint, other.fingerprint = {"tag": "a"}, {"sha256": "b"}
    one = vild.Vocabulary.build(["cat"], one, "single")
    other = vild.Vocabulary.build(["dog"], other, "single")
    assert one.merge(other).teacher == {"name": "words", "dim": 16, "image_size": 8}
    strange = Words()
    strange.name = "stranger"
    with pytest.raises(InputError, match=r"encoded by stranger .* expected words"):
        one.merge(vild.Vocabulary.build(["dog"], strange, "single"))


def test_bad_words_and_teachers():
    with pytest.raises(InputError, match="empty"):
        vild.Vocabulary.build(["cat", " "], Words())
    with pytest.raises(InputError, match="not valid text"):
        vild.Vocabulary.build(["caf\udce9"], Words())
    with pytest.raises(InputError, match="no slot"):
        vild.Vocabulary.build(["cat"], Words(), ["a thing"])
    with pytest.raises(InputError, match="2 bools"):
        vild.Vocabulary.build(["cat", "dog"], Words(), base=[True])
    with pytest.raises(TeacherError, match=r"no teacher 'clip'.*precomputed, shapes"):
        vild.Vocabulary.build(["cat"], "clip")

    class Opposite(Words):
        def encode_text(self, texts):
            sign = np.array([[-1.0] if "not" in t else [1.0] for t in texts])
            return (sign * np.eye(1, 16)).astype("float32")

    with pytest.raises(InputError, match="opposite directions"):
        vild.Vocabulary.build([["cat", "not cat"]], Opposite(), ["{}"])


def test_rows_of_a_big_matrix_are_checked_block_by_block():
    rows = np.ones((40000, 2), "float32")
    rows[39999] = 0
    names = [f"n{i}" for i in range(40000)]
    with pytest.raises(InputError, match="'n39999' is all zeros"):
        vild.Vocabulary(names, rows)
    rows[39999] = np.nan
    with pytest.raises(InputError, match="row 39999 holds NaN"):
        vild.Vocabulary(names, rows)
