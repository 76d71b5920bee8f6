"""The `vild` command: one small file a command.

Nothing here is loaded before it is needed, so that `vild --help` answers at once.
"""

from vild.cli.main import main

__all__ = ["main"]
