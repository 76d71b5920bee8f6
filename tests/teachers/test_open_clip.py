import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import clips
import numpy as np
import pytest
from clips import assert_rows_equal, own_rows, photos

from vild.errors import TeacherError
from vild.teachers import Teacher
from vild.teachers.open_clip import OpenClip
from vild.teachers.open_clip_loaded import token_counts
from vild.teachers.torchvision_ops import import_open_clip

pytestmark = clips.needs_open_clip

TEXTS = ["a cat", "two red umbrellas in the rain", "x", "A Cat & a Dog's bone"]


@pytest.fixture(scope="module")
def open_clip():
    return import_open_clip()


@pytest.fixture(scope="module")
def tiny(open_clip, tmp_path_factory):
    """A file of weights for the model vild-tiny."""
    import torch

    folder = tmp_path_factory.mktemp("tiny")
    clips.add_config(folder, "vild-tiny")
    model = open_clip.CLIP(**clips.TINY)
    path = folder / "w.pt"
    torch.save(clips.random_weights(model), path)
    return path


def test_rows_are_those_of_open_clip(open_clip, tmp_path):
    """With a model of open_clip's own list, the smallest."""
    from safetensors.torch import save_file

    model = open_clip.create_model("ViT-S-32-alt", pretrained_text=False)
    path = tmp_path / "w.safetensors"
    save_file(clips.random_weights(model), path)
    teacher = OpenClip(f"ViT-S-32-alt/{path}", device="cpu")
    assert isinstance(teacher, Teacher)
    images = photos(224, 3)
    text, image = own_rows(open_clip, "ViT-S-32-alt", path, TEXTS, images)
    assert_rows_equal(teacher.encode_text(TEXTS), text)
    assert_rows_equal(teacher.encode_image(images), image)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("vild-custom", {"custom_text": True}),
        ("vild-bias", {"init_logit_bias": -10, "custom_text": True}),
        (
            "vild-resnet",
            {
                "vision_cfg__layers": [1, 1, 1, 1],
                "vision_cfg__width": 32,
                "vision_cfg__patch_size": None,
            },
        ),
    ],
)
def test_other_architectures_too(open_clip, tmp_path, name, changes):
    import torch

    clips.add_config(tmp_path, name, **changes)
    model = open_clip.create_model(name)
    path = tmp_path / "w.pt"
    torch.save(clips.random_weights(model), path)
    images = photos(32)
    text, image = own_rows(open_clip, name, path, TEXTS, images)
    teacher = OpenClip(f"{name}/{path}", device="cpu")
    assert_rows_equal(teacher.encode_text(TEXTS), text)
    assert_rows_equal(teacher.encode_image(images), image)


def test_rows_do_not_depend_on_their_company(tiny):
    teacher = OpenClip(f"vild-tiny/{tiny}", device="cpu", batch_size=2)
    images = photos(32)
    together = teacher.encode_image(images)
    alone = np.concatenate([teacher.encode_image(images[i : i + 1]) for i in range(5)])
    assert_rows_equal(together, alone, 1e-6)
    assert_rows_equal(
        teacher.encode_text(TEXTS), teacher.encode_text(TEXTS[::-1])[::-1]
    )
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert teacher.encode_text([]).shape == teacher.encode_image(images[:0]).shape
    assert teacher.encode_image(images[:0]).shape == (0, 24)


def test_arrays_of_any_layout(tiny):
    teacher = OpenClip(f"vild-tiny/{tiny}", device="cpu")
    images = photos(32)
    rows = teacher.encode_image(images)
    for other in (images[::-1, :, ::-1][::-1, :, ::-1], np.asfortranarray(images)):
        other.flags.writeable = False
        np.testing.assert_array_equal(teacher.encode_image(other), rows)


@pytest.mark.parametrize(("dtype", "atol"), [("float16", 5e-3), ("bfloat16", 4e-2)])
def test_half_precision_is_near(tiny, dtype, atol):
    """A few roundings (2^-11, 2^-8) of what is summed up to numbers of about 0.2."""
    full = OpenClip(f"vild-tiny/{tiny}", device="cpu")
    half = OpenClip(f"vild-tiny/{tiny}", device="cpu", dtype=dtype)
    rows = half.encode_image(photos(32))
    assert_rows_equal(rows, full.encode_image(photos(32)), atol)
    assert (rows != full.encode_image(photos(32))).any()
    np.testing.assert_array_equal(half.encode_text(TEXTS), full.encode_text(TEXTS))


def test_what_is_too_large_for_float16_goes_on_in_float32(tiny, tmp_path):
    import torch

    state = torch.load(tiny)
    state["visual.proj"] *= 30000 / state["visual.proj"].abs().max()
    torch.save(state, tmp_path / "w.pt")
    full = OpenClip(f"vild-tiny/{tmp_path}/w.pt", device="cpu")
    half = OpenClip(f"vild-tiny/{tmp_path}/w.pt", device="cpu", dtype="float16")
    with pytest.warns(UserWarning, match="too large for .*float16"):
        rows = half.encode_image(photos(32))
    assert_rows_equal(rows, full.encode_image(photos(32)), 5e-3)


def test_threads_may_ask_at_once(tiny):
    teacher = OpenClip(f"vild-tiny/{tiny}", device="cpu")
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(teacher.encode_image, [photos(32)] * 4))
        texts = list(pool.map(teacher.encode_text, [TEXTS] * 4))
    for rows in (images, texts):
        assert all((each == rows[0]).all() for each in rows)


def test_loading_leaves_the_random_numbers_alone(tiny):
    import torch

    before = torch.get_rng_state()
    OpenClip(f"vild-tiny/{tiny}", device="cpu").encode_text(["a"])
    assert torch.equal(torch.get_rng_state(), before)


def test_one_warning_for_all_texts_that_are_cut(tiny):
    teacher = OpenClip(f"vild-tiny/{tiny}", device="cpu")
    fits, long = "a " * 18, "a " * 19  # and two marks: 20 tokens, 21
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        teacher.encode_text([fits])
    with pytest.warns(UserWarning, match="2 of 3 texts have more than the 20") as heard:
        rows = teacher.encode_text([fits, long, long + "b"])
    assert len(heard) == 1
    assert heard[0].filename == __file__
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_tokens_of_hugging_face_are_counted(open_clip, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = {"[UNK]": 0, "[PAD]": 1, "a": 2, "cat": 3}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]"
    ).save_pretrained(tmp_path)
    clips.add_config(tmp_path, "vild-hf", text_cfg__hf_tokenizer_name=str(tmp_path))
    tokenizer = open_clip.get_tokenizer("vild-hf")
    assert token_counts(tokenizer, ["a cat", "a " * 30]) == [2, 30]
    assert tokenizer(["a cat", "a " * 30]).shape == (2, 20)
    assert token_counts(object(), ["a"]) == []


def test_a_wrong_device_is_told(tiny):
    with pytest.raises(TeacherError, match="to the device 'abacus'"):
        OpenClip(f"vild-tiny/{tiny}", device="abacus").encode_text(["a"])


def test_many_images_in_the_fastest_way(tiny):
    teacher = OpenClip(f"vild-tiny/{tiny}", device="cpu")
    assert set(teacher.image_dtypes) <= {"bfloat16", "float32"}
    assert "float32" in teacher.image_dtypes
    plain = teacher.for_images("float32", 2)
    assert_rows_equal(
        plain.encode_image(photos(32)), teacher.encode_image(photos(32)), 1e-6
    )
    half = teacher.for_images("bfloat16", 2)
    assert (half.name, half.fingerprint) == (teacher.name, teacher.fingerprint)
    rows = half.encode_image(photos(32))
    assert (rows != teacher.encode_image(photos(32))).any()
    np.testing.assert_array_equal(rows[:2], half.encode_image(photos(32)[:2]))


def test_it_travels_to_other_processes(tiny):
    teacher = OpenClip(f"vild-tiny/{tiny}", device="cpu", dtype="bfloat16")
    expected = teacher.encode_image(photos(32))
    again = pickle.loads(pickle.dumps(teacher))
    assert (again.spec, again.fingerprint) == (teacher.spec, teacher.fingerprint)
    np.testing.assert_array_equal(again.encode_image(photos(32)), expected)


def test_too_large_numbers_in_one_batch_change_no_other(tiny, tmp_path):
    import torch

    state = torch.load(tiny)
    state["visual.proj"] *= 30000 / state["visual.proj"].abs().max()
    torch.save(state, tmp_path / "w.pt")
    name = f"vild-tiny/{tmp_path}/w.pt"
    teacher, dark = OpenClip(name, device="cpu", dtype="float16"), photos(32)
    with pytest.warns(UserWarning, match="too large for .*float16"):
        first = teacher.encode_image(dark)
    with pytest.warns(UserWarning, match="too large for .*float16"):
        np.testing.assert_array_equal(teacher.encode_image(dark), first)
