import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from vild.data.polygons import rasterise
from vild.errors import DataError

pytestmark = pytest.mark.numpy


def expected(polygons, size):
    rles = coco.frPyObjects([list(map(float, p)) for p in polygons], *size)
    return coco.decode(coco.merge(rles)).astype(bool)


sides = st.integers(1, 40)
# Anywhere around the image, on a grid where many corners fall together, and on the
# borders of rounding.
numbers = st.one_of(
    st.floats(-60, 100, width=32),
    st.integers(-3, 12).map(float),
    st.integers(-100, 300).map(lambda n: n / 10),
)
polygon = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=12).map(
    lambda corners: [n for corner in corners for n in corner]
)


@settings(max_examples=1000)
@given(st.lists(polygon, min_size=1, max_size=3), st.tuples(sides, sides))
@example([[1, 1, 1, 1, 1, 1]], (4, 4))
@example([[0, 0, 4, 0, 4, 4, 0, 4]], (4, 4))
@example([[0, 0, 4, 4, 4, 0, 0, 4]], (4, 4))
@example([[-9, -9, 50, -9, 50, 50, -9, 50], [1, 1, 2, 1, 2, 2]], (7, 5))
@example([[2.1, 1, 2.3, 1, 2.3, 3, 2.1, 3]], (4, 4))
def test_polygons_equal_pycocotools(polygons, size):
    np.testing.assert_array_equal(
        rasterise([np.array(p) for p in polygons], size), expected(polygons, size)
    )


@given(st.lists(polygon, min_size=1, max_size=3), st.tuples(sides, sides), st.data())
def test_a_window_is_a_part_of_the_whole(polygons, size, data):
    window = []
    for side in size:
        start = data.draw(st.integers(0, side - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, side))))
    polygons = [np.array(p) for p in polygons]
    np.testing.assert_array_equal(
        rasterise(polygons, size, tuple(window)),
        rasterise(polygons, size)[tuple(window)],
    )


@pytest.mark.parametrize("seed", range(20))
def test_wandering_outlines_of_photos_equal_pycocotools(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-50, 700, 2) + rng.normal(0, 15, (300, 2)).cumsum(axis=0)
    polygons = [corners.round(2).ravel(), rng.uniform(-50, 700, 40)]
    np.testing.assert_array_equal(
        rasterise(polygons, (480, 640)), expected(polygons, (480, 640))
    )


def test_without_area():
    for polygons in ([], [np.zeros(0)], [np.array([1.0, 1, 9, 9])]):
        assert rasterise(polygons, (8, 12)).shape == (8, 12)
        assert not rasterise(polygons, (8, 12)).any()


@pytest.mark.parametrize(
    "polygon",
    [[1, 1, 2, 2, 3], [1, 1, np.nan, 2, 3, 3], [0, 0, np.inf, 1, 1, 1], [0, 0, 1e9, 1]],
)
def test_what_is_no_polygon(polygon):
    with pytest.raises(DataError, match="x1 y1 x2 y2"):
        rasterise([np.array(polygon, float)], (4, 4))
