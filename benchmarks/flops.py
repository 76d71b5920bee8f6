"""Floating-point operations of the R50 ensemble, counted by hand.

A multiply and an add count as two. Biases, norms, activations, the RoI crop and
everything after the heads are left out.
"""


def conv(positions: float, size: int, into: int, out: int) -> float:
    """GFLOP of a convolution at that many output positions."""
    return 2 * positions * size * size * into * out / 1e9


def resnet50(height: int, width: int) -> float:
    """Stem and four groups."""
    area = height * width
    total = conv(area / 4, 7, 3, 64)
    into = 64
    for group, blocks in enumerate((3, 4, 6, 3)):
        filters, positions = 64 * 2**group, area / 16 / 4**group
        before = positions * (4 if group else 1)
        for block in range(blocks):
            if block == 0:
                total += conv(positions, 1, into, 4 * filters)
            total += conv(before if block == 0 else positions, 1, into, filters)
            total += conv(positions, 3, filters, filters)
            total += conv(positions, 1, filters, 4 * filters)
            into = 4 * filters
    return total


def pyramid(height: int, width: int) -> float:
    """Lateral and output convolutions."""
    areas = [height * width / 4**level for level in range(2, 7)]
    laterals = zip(areas, (256, 512, 1024, 2048), strict=False)
    return sum(conv(area, 1, into, 256) for area, into in laterals) + sum(
        conv(area, 3, 256, 256) for area in areas
    )


def rpn(height: int, width: int) -> float:
    """Two convolutions and the outputs on five levels."""
    areas = [height * width / 4**level for level in range(2, 7)]
    return sum(2 * conv(area, 3, 256, 256) + conv(area, 1, 256, 15) for area in areas)


def region_branch(regions: int) -> float:
    """Four convolutions, two fully connected layers, the projection."""
    dense = 2 * regions * (12544 * 1024 + 1024 * 1024 + 1024 * 512) / 1e9
    return 4 * conv(regions * 49, 3, 256, 256) + dense


def masks(detections: int) -> float:
    """Four convolutions, the upsampling and the logits."""
    return (
        4 * conv(detections * 196, 3, 256, 256)
        + conv(detections * 784, 1, 256, 256)
        + conv(detections * 784, 1, 256, 1)
    )


def ensemble(height: int, width: int, regions: int, detections: int) -> float:
    """Everything, in GFLOP."""
    return (
        resnet50(height, width)
        + pyramid(height, width)
        + rpn(height, width)
        + 2 * region_branch(regions)
        + masks(detections)
    )


if __name__ == "__main__":
    print(f"backbone {resnet50(640, 640):7.1f} GFLOP at 640x640")
    print(f"pyramid  {pyramid(640, 640):7.1f}")
    print(f"rpn      {rpn(640, 640):7.1f}")
    print(f"branch   {region_branch(1000):7.1f} each, 1000 regions")
    print(f"masks    {masks(300):7.1f}, 300 detections")
    print(f"in all   {ensemble(640, 640, 1000, 300):7.1f}")
