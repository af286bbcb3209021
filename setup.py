"""What a wheel has beside the modules: the workflow, laid into the package; the manual, and completion.

All else stands in pyproject.toml. An editable install is a view of the checkout, and has neither.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

WORKFLOW = (
    "Snakefile",
    "rules/*.smk",
    "scripts/*.py",
    "config/**/*.yaml",
    "profiles/**/*.yaml",
    "docs/captions/*.rst",
)
MANUAL = "docs/manual.py"


def workflow() -> list[str]:
    """The files of the workflow, by their names from the top of the repository."""
    return sorted(str(path) for pattern in WORKFLOW for path in Path().glob(pattern))


class WithWorkflow(build_py):
    """Modules, and the workflow in the folder where `spx_data.config.shipped` looks for it."""

    def run(self) -> None:
        """Build all of it anew: a file that is gone must not come back out of a folder of before."""
        if self.editable_mode:
            return super().run()
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for name in workflow():
            target = Path(self.build_lib, "spx_data", "workflow", name)
            self.mkpath(str(target.parent))
            self.copy_file(name, str(target))
        self.distribution.data_files = self.shared()
        return None

    def shared(self) -> list[tuple[str, list[str]]]:
        """What the environment gets in `share`: written now, from the commands themselves."""
        share = Path(self.build_lib).parent / "share"
        shutil.rmtree(share, ignore_errors=True)
        here = os.environ | {"PYTHONPATH": "scripts"}
        subprocess.run([sys.executable, MANUAL, str(share)], env=here, check=True)
        files = [path for path in share.rglob("*") if path.is_file()]
        folders = {str(path.parent.relative_to(share.parent)) for path in files}
        return [
            (folder, sorted(str(path) for path in files if path.parent == share.parent / folder))
            for folder in sorted(folders)
        ]

    def get_source_files(self) -> list[str]:
        """What a source archive needs to build the same."""
        return [*super().get_source_files(), *workflow(), MANUAL]


setup(cmdclass={"build_py": WithWorkflow})
