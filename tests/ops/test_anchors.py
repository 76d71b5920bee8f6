import numpy as np
import pytest
from golden import Golden

from vild.ops.anchors import level_anchors


@pytest.mark.parametrize("size", [(128, 192), (256, 256)])
def test_anchors_equal_the_release(reference, size):
    golden = Golden(reference / "stage_anchors.npz")
    for level in range(2, 7):
        height, width = (side // 2**level for side in size)
        expected = golden[f"{size[0]}x{size[1]}_level{level}"]
        ours = level_anchors(height, width, level)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("level", range(2, 7))
def test_anchors_have_the_area_and_shapes_they_should(level):
    boxes = level_anchors(3, 5, level).reshape(3, 5, 3, 4)
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    np.testing.assert_allclose(height * width, (8 * 2**level) ** 2, rtol=1e-5)
    ratios = np.broadcast_to([1.0, 2.0, 0.5], width.shape)
    np.testing.assert_allclose(width / height, ratios, rtol=1e-5)
    centre_y = (boxes[..., 2] + boxes[..., 0]) / 2
    rows = (np.arange(3)[:, None, None] + 0.5) * 2**level
    np.testing.assert_allclose(
        centre_y, np.broadcast_to(rows, centre_y.shape), rtol=1e-5
    )
