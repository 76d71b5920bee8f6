"""Work that several processes share, with progress and a clean end."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tqdm import tqdm

from vild.errors import DataError, InputError

Job = TypeVar("Job")
Result = TypeVar("Result")
Common = TypeVar("Common")

# Frameworks start threads, which a forked process would wait for in vain.
_THREADED = {"jax", "tensorflow", "torch"}
_LOOK = 0.2  # seconds between two looks at the progress


def check_workers(workers: int) -> None:
    """Tells a number of processes that makes no sense, before anything is made.

    Args:
        workers: how many processes.

    Raises:
        InputError: if there are none.
    """
    if workers < 1:
        raise InputError(f"Workers must be 1 or more, received {workers}.")


class _StoppedError(Exception):
    """Work that was told to end."""


def in_processes(
    function: Callable[[Common, Job, Callable[[], None]], Result],
    common: Common,
    jobs: Sequence[Job],
    *,
    workers: int,
    total: int,
    unit: str = "image",
) -> list[Result]:
    """Does jobs, several at a time, and shows how far they are.

    Args:
        function: gets what is common to all jobs, a job, and a function to call for
            each unit that is done. Importable by name.
        common: handed to each process once; where a process can be forked, it is
            shared rather than copied.
        jobs: what to do.
        workers: how many processes; 1 for this one.
        total: how many units there are in all.
        unit: what the progress counts.

    Returns:
        What the function returned, in order of the jobs.

    Raises:
        InputError: if `workers` is less than 1.
        DataError: if a process was killed.

    Whatever a job raises is raised here, once the other jobs have stopped.

    Example:
        >>> def double(common, job, done):
        ...     done()
        ...     return common * job
        >>> in_processes(double, 2, [1, 2, 3], workers=1, total=3)
        [2, 4, 6]
    """
    check_workers(workers)
    workers = min(workers, len(jobs))
    # None: only where a person looks.
    with tqdm(total=total, unit=unit, disable=None) as bar:
        if workers <= 1:
            return [function(common, job, bar.update) for job in jobs]
        return _shared_out(function, common, jobs, workers, bar)


def _shared_out(
    function: Callable[..., Result],
    common: Any,
    jobs: Sequence[Any],
    workers: int,
    bar: Any,
) -> list[Result]:
    fork = sys.platform == "linux" and not _THREADED & set(sys.modules)
    context = multiprocessing.get_context("fork" if fork else "spawn")
    progress, stop = context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_begin,
        initargs=(common, progress, stop),
    )
    with pool:
        try:
            futures = [pool.submit(_work, function, job) for job in jobs]
            waiting: set[Future[Result]] = set(futures)
            while waiting:
                done, waiting = wait(waiting, _LOOK, FIRST_COMPLETED)
                bar.update(progress.value - bar.n)
                for future in done:
                    future.result()
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise DataError(
                "A process that worked on the dataset was killed, perhaps for want of "
                "memory: take fewer workers and start again."
            ) from error
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


_here: dict[str, Any] = {}


def _begin(common: Any, progress: Any, stop: Any) -> None:
    # Ctrl-C reaches all processes; the first one tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here.update(common=common, progress=progress, stop=stop)


def _end_with_parent() -> None:
    """A parent that is killed can tell nobody: work for it would go on for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(function: Callable[..., Result], job: Any) -> Result:
    return function(_here["common"], job, _done)


def _done() -> None:
    if _here["stop"].is_set():
        raise _StoppedError
    with _here["progress"].get_lock():
        _here["progress"].value += 1
