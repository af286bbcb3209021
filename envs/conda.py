"""Write environment.yaml for conda users from requirements.lock: the same pins, through pip.

conda's channels do not carry every package at the locked version, so conda gives the interpreter and pip the
packages. It has no compiler: a Python for which a package has no wheel yet is left out, `immutables` on 3.14.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
HEAD = """\
# Made by `make lock` from requirements.lock; a test holds the two equal.
name: spx-data
channels: [conda-forge]
dependencies:
  - python >=3.11,<3.14
  - pip
  - pip:
"""


def pins() -> list[str]:
    """Every pin of the lock, `name==version` with its marker, in order."""
    lines = (HERE / "requirements.lock").read_text().splitlines()
    return [match[0].strip() for line in lines if (match := re.match(r"[A-Za-z0-9][^\\]*", line))]


if __name__ == "__main__":
    body = "".join(f'      - "{pin}"\n' for pin in pins())
    (HERE / "environment.yaml").write_text(HEAD + body)
