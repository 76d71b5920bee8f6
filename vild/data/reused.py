"""Large arrays that are used again, once nobody holds them any more.

Memory that is fresh from the system is slow to write to the first time: for a batch of
large pictures that takes longer than filling it.
"""

import sys
import threading

import numpy as np

_MOST = 8


class ReusedArrays:
    """Hands out arrays, and hands one out again when all that refer to it are gone.

    Views of an array refer to it, as do tensors that share its memory. In Python
    without its global lock arrays are always new.

    Example:
        >>> arrays = ReusedArrays()
        >>> first = arrays.empty((2, 3), np.float32)
        >>> place, part = first.ctypes.data, first[0]
        >>> del first
        >>> arrays.empty((2, 3), np.float32).ctypes.data == place
        False
        >>> del part
        >>> arrays.empty((2, 3), np.float32).ctypes.data == place
        True
    """

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["ReusedArrays"], tuple[()]]:
        return ReusedArrays, ()  # another process has its own

    def empty(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """An array to be filled.

        Args:
            shape: of the array.
            dtype: of the array.

        Returns:
            One with any content.
        """
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            return np.empty(shape, dtype)
        with self._lock:
            for index in range(len(self._arrays)):
                # The list's own reference and that of the call.
                if sys.getrefcount(self._arrays[index]) > 2:
                    continue
                array = self._arrays[index]
                if array.shape == shape and array.dtype == dtype:
                    return array
            array = np.empty(shape, dtype)
            self._arrays = [*self._arrays[1 - _MOST :], array]
            return array
