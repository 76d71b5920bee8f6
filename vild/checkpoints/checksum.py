"""The checksum of TensorFlow's files: checkpoints and TFRecords."""

import google_crc32c
import numpy as np


def masked_crc(data: bytes | np.ndarray) -> int:
    """The CRC-32C as LevelDB and TFRecords store it.

    Args:
        data: bytes, or a contiguous array.

    Returns:
        The checksum, rotated and shifted so that data which hold checksums of
        their own do not confuse it.

    Example:
        >>> hex(masked_crc(b"123456789"))
        '0xc78ab0e5'
    """
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
