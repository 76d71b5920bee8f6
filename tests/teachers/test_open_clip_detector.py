"""Words that a detector never heard, by open_clip, whatever the detector runs on."""

import importlib.util
import sys
from pathlib import Path

import pytest
from clips import in_a_new_python, needs_open_clip

# A detector on one framework, its teacher on PyTorch, in one process; the vectors
# once more by open_clip alone.
PROGRAM = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
import numpy as np
from tiny import photo, tiny_model  # the detector's framework before the teacher's
import torch
from clips import add_config, random_weights
import vild
from vild.prompts import SETS
from vild.teachers.torchvision_ops import import_open_clip

folder = Path({folder!r})
add_config(folder, "tiny-clip")
open_clip = import_open_clip()
clip = open_clip.create_model("tiny-clip").eval()
clip.load_state_dict(random_weights(clip))
torch.save(clip.state_dict(), folder / "weights.pt")

rows = np.random.default_rng(0).normal(size=(2, 24))
own = vild.Vocabulary(["cat", "dog"], rows, [True, False])
spec = f"open_clip:tiny-clip/{{folder}}/weights.pt"
detector = vild.Detector(
    tiny_model(dim=24), own, teacher=spec, image_size=128, num_proposals=40
)
asked = ["a red scooter", ["sofa", "couch"], "dog"]
result = detector.detect(photo(), asked)
assert len(result) and set(result.class_names) <= {{"a red scooter", "sofa", "dog"}}

words = detector.vocabulary(asked)
tokenizer = open_clip.get_tokenizer("tiny-clip")
for row, names in zip(words.embeddings, (["a red scooter"], ["sofa", "couch"])):
    texts = [
        template.replace("{{article}}", "an" if name[0] in "aeiou" else "a")
        .replace("{{}}", name)
        for name in names for template in SETS["vild"]
    ]
    with torch.inference_mode():
        vectors = clip.encode_text(tokenizer(texts), normalize=True).double()
    mean = vectors.mean(dim=0)
    np.testing.assert_allclose(row, mean / mean.norm(), rtol=0, atol=1e-5)
np.testing.assert_array_equal(words.embeddings[2], own.embeddings[1])
assert words.base.tolist() == [False, False, False]

# A cut-out finds its place again through the image encoder.
regions = detector.encode(photo())
assert len(regions.search(photo()[:40, :40], score_threshold=-1))
detector.save(folder / "saved")
again = vild.load_pretrained(folder / "saved")
np.testing.assert_array_equal(again.vocabulary(asked).embeddings, words.embeddings)
from vild.backends import keras
print(keras.backend.backend())
"""


@needs_open_clip
@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_any_words_on_any_backend(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *sys.path]
    program = PROGRAM.format(paths=paths, folder=str(tmp_path))
    printed = in_a_new_python(
        program, KERAS_BACKEND=backend, VILD_CACHE=str(tmp_path / "cache")
    )
    assert printed.split()[-1] == backend
