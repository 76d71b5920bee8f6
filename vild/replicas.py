"""How many devices share a batch, and which part of it this process has."""

from dataclasses import dataclass

from vild.errors import InputError


@dataclass(frozen=True)
class Replicas:
    """Devices that train together.

    Attributes:
        count: devices.
        index: of this process.
        processes: how many processes there are.
        per_program: whether a program sees the batch of one device rather than all of
            it.
        compiled: whether the step is compiled by XLA.

    Example:
        >>> Replicas(count=4, processes=4, per_program=True).program_batch(16)
        4
    """

    count: int = 1
    index: int = 0
    processes: int = 1
    per_program: bool = False
    compiled: bool = True

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and talks."""
        return self.index == 0

    def program_batch(self, batch_size: int) -> int:
        """Images of a batch that one program sees.

        Args:
            batch_size: of all devices together.

        Returns:
            How many.

        Raises:
            InputError: if the batch cannot be shared out evenly.
        """
        if batch_size % self.count:
            raise InputError(
                f"A batch of {batch_size} images cannot be shared by {self.count} "
                f"devices evenly: make batch_size a multiple of {self.count}."
            )
        return batch_size // self.count if self.per_program else batch_size


def check_devices(number: int | None, found: list) -> list:
    """The devices that are meant, or what to say.

    Args:
        number: how many; None for all.
        found: those that there are.

    Returns:
        The first of them.

    Raises:
        InputError: if there are not so many.
    """
    if number is None:
        return found
    if not 1 <= number <= len(found):
        raise InputError(
            f"{number} devices were asked for, but there "
            f"{'is 1' if len(found) == 1 else f'are {len(found)}'}."
        )
    return found[:number]
