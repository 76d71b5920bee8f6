"""Seconds until `vild --help` has answered and until `import vild` is done.

python benchmarks/startup.py
"""

import subprocess
import sys

from common import best


def main() -> None:
    print("## start-up")
    for name, command in (
        ("python alone", ["-c", "pass"]),
        ("import vild", ["-c", "import vild"]),
        ("vild --help", ["-m", "vild", "--help"]),
    ):
        arguments = [sys.executable, *command]
        seconds = best(lambda a=arguments: subprocess.check_output(a), 10)
        print(f"{name:14} {seconds:6.3f} s")


if __name__ == "__main__":
    main()
