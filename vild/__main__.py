"""`python -m vild`: the same as the command `vild`."""

import sys

from vild.cli import main

if __name__ == "__main__":
    sys.exit(main())
