import json
import shutil
import warnings

import clips
import numpy as np
import pytest
from clips import assert_rows_equal, own_rows, photos

from vild.errors import TeacherError
from vild.teachers.open_clip import OpenClip
from vild.teachers.torchvision_ops import import_open_clip

pytestmark = clips.needs_open_clip

TEXTS = ["a cat", "two red umbrellas in the rain", "x"]
GREY = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def open_clip(tmp_path_factory):
    clips.add_config(tmp_path_factory.mktemp("configs"), "vild-tiny")
    return import_open_clip()


@pytest.fixture(scope="module")
def state(open_clip):
    """Weights as OpenAI stored them: numbers that float16 holds exactly."""
    weights = clips.random_weights(open_clip.CLIP(**clips.TINY))
    return {name: tensor.half().float() for name, tensor in weights.items()}


@pytest.fixture(scope="module")
def plain(state, tmp_path_factory):
    import torch

    path = tmp_path_factory.mktemp("plain") / "w.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def expected(open_clip, plain):
    """The rows of open_clip, with GELU and with QuickGELU."""
    return {
        quick: own_rows(
            open_clip, "vild-tiny", plain, TEXTS, photos(32), force_quick_gelu=quick
        )
        for quick in (False, True)
    }


def write_archive(open_clip, state, path, config=clips.TINY):
    """A TorchScript archive with the contents of those that OpenAI published."""
    import torch

    model = open_clip.CLIP(**config)
    model.load_state_dict(state)
    model = model.half().eval()
    del model.attn_mask
    for name in ("input_resolution", "context_length", "vocab_size"):
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(1))
    model.forward = lambda number: number
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch would rather not write it any more
        torch.jit.trace(model, torch.zeros(1), check_trace=False).save(path)


def save_safetensors(open_clip, state, path):
    from safetensors.torch import save_file

    save_file(state, path)


def save_of_training(open_clip, state, path):
    import torch

    state = {f"module.{name}": tensor for name, tensor in state.items()}
    optimizer = {"state": {0: torch.zeros(3)}, "param_groups": [{"lr": 1e-3}]}
    whole = {"epoch": 3, "name": "run", "state_dict": state, "optimizer": optimizer}
    torch.save(whole, path)


def save_old(open_clip, state, path):
    import torch

    torch.save(state, path, _use_new_zipfile_serialization=False)


FORMS = {
    "w.safetensors": save_safetensors,
    "epoch_3.pt": save_of_training,
    "old.pth": save_old,
    "ViT.pt": write_archive,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_gives_the_same(
    open_clip, state, plain, expected, tmp_path, form
):
    FORMS[form](open_clip, state, tmp_path / form)
    teacher = OpenClip(f"vild-tiny/{tmp_path / form}", device="cpu")
    archive = FORMS[form] is write_archive
    text, image = expected[archive]
    assert_rows_equal(teacher.encode_text(TEXTS), text)
    assert_rows_equal(teacher.encode_image(photos(32)), image)
    facts = OpenClip(f"vild-tiny/{plain}").fingerprint
    assert teacher.fingerprint == {**facts, "quick_gelu": archive}


def test_a_fingerprint_tells_weights_apart_and_no_path(state, plain, tmp_path):
    import torch

    facts = OpenClip(f"vild-tiny/{plain}").fingerprint
    assert set(facts) == {"model", "sha256", "quick_gelu", "mean", "std", "resize"}
    assert facts["model"] == "vild-tiny"
    assert len(facts["sha256"]) == 64
    changed = dict(state)
    changed["ln_final.bias"] = state["ln_final.bias"] + 1e-3
    torch.save(changed, tmp_path / "w.pt")
    other = OpenClip(f"vild-tiny/{tmp_path}/w.pt").fingerprint
    assert {key for key in facts if facts[key] != other[key]} == {"sha256"}


def beside(folder, name="w.pt", **settings):
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    return folder / name


@pytest.mark.parametrize("way", ["model", "json", "name"])
def test_quick_gelu_is_used_where_something_says_so(plain, expected, tmp_path, way):
    name = "vild-tiny-QuickGELU.pt" if way == "name" else "w.pt"
    path = beside(tmp_path, name, model_cfg={"quick_gelu": way == "json"})
    shutil.copy(plain, path)
    model = "vild-tiny-quickgelu" if way == "model" else "vild-tiny"
    teacher = OpenClip(f"{model}/{path}", device="cpu")
    assert teacher.name == "open_clip:vild-tiny"
    text, image = expected[True]
    assert_rows_equal(teacher.encode_text(TEXTS), text)
    assert_rows_equal(teacher.encode_image(photos(32)), image)
    assert np.abs(text - expected[False][0]).max() > 1e-3


def test_mean_spread_and_resize_beside_the_file(open_clip, plain, tmp_path):
    settings = {"mean": GREY, "std": [0.2, 0.3, 0.4], "resize_mode": "squash"}
    path = beside(tmp_path, preprocess_cfg=settings)
    shutil.copy(plain, path)
    teacher = OpenClip(f"vild-tiny/{path}", device="cpu")
    _, image = own_rows(
        open_clip,
        "vild-tiny",
        path,
        TEXTS,
        photos(32),
        image_mean=GREY,
        image_std=(0.2, 0.3, 0.4),
    )
    assert_rows_equal(teacher.encode_image(photos(32)), image)
    assert teacher.resize == "squash"
    assert teacher.fingerprint["std"] == "0.2 0.3 0.4"


class Intruder:
    """What a pickle would make, if it were read."""

    made = False

    def __reduce__(self):
        return setattr, (Intruder, "made", True)


def write_bad(folder, state, kind):
    import torch

    path = folder / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "pickle":
        torch.save({"a": Intruder(), **state}, path)
    elif kind == "numbers":
        torch.save({"a": 1}, path)
    elif kind == "cut":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        path.write_bytes(b"" if kind == "empty" else b"garbage" * 100)
    return path


KINDS = ["pickle", "numbers", "cut", "empty", "garbage", "safetensors"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_weights_is_refused(open_clip, state, tmp_path, kind):
    path = write_bad(tmp_path, state, kind)
    teacher = OpenClip(f"vild-tiny/{path}", device="cpu")
    for ask in (lambda: teacher.fingerprint, lambda: teacher.encode_text(["a"])):
        with pytest.raises(TeacherError, match="could not be read as weights"):
            ask()
    assert not Intruder.made


@pytest.mark.parametrize("form", ["w.safetensors", "w.pt"])
def test_weights_of_another_model_are_refused(open_clip, state, tmp_path, form):
    other = {**clips.TINY, "embed_dim": 16}
    weights = open_clip.CLIP(**other).state_dict()
    if form == "w.pt":
        write_archive(open_clip, weights, tmp_path / form, other)
    else:
        save_safetensors(open_clip, weights, tmp_path / form)
    teacher = OpenClip(f"vild-tiny/{tmp_path / form}", device="cpu")
    with pytest.raises(TeacherError, match=r"size mismatch .*name the model that"):
        teacher.encode_text(["a"])
