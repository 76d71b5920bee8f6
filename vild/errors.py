"""The errors vild raises on purpose: each message is one sentence that helps."""


class VildError(Exception):
    """Anything a user can mend: expected, received, and what to do about it.

    The command line prints the message of a `VildError` and nothing else; any
    other exception is a fault of ours and keeps its traceback.
    """


class InputError(VildError, ValueError):
    """An image, a class list, an array or a setting that cannot be used."""


class CheckpointError(VildError, ValueError):
    """A checkpoint or detector directory that is missing, damaged or foreign."""


class DataError(VildError, ValueError):
    """A dataset, or a file of one, that is missing, damaged or foreign."""


class DownloadError(VildError, OSError):
    """An archive that could not be fetched or unpacked."""


class BackendError(VildError, ImportError):
    """No framework is installed for Keras to run on."""


class TeacherError(VildError, ValueError):
    """A teacher that is unknown, misbehaves or lacks the encoder asked for."""


class TrainingError(VildError, RuntimeError):
    """A training that cannot go on, e.g. because a loss is no number any more."""
