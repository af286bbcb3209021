"""Draw the rules into docs/how-it-works.md: Snakemake's own rule graph, between the two markers."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- rules -->\n)(.*?)(<!-- end of rules -->)", re.DOTALL)


def drawn() -> str:
    """The rule graph of a fill of one date, as a mermaid block."""
    command = [Path(sys.executable).parent / "snakemake", "--rulegraph", "mermaid-js", "--quiet", "all"]
    one_date = {"PROCESSING_START_DATE": "2017-06-01", "SPX_DATA_NOW": "2017-06-02T00:00-04:00"}
    graph = subprocess.run(
        command, cwd=ROOT, env=os.environ | one_date, capture_output=True, text=True, check=True
    ).stdout
    # Links come in an order that varies from call to call.
    _, _, start = graph.strip().partition("flowchart TB")
    lines = start.strip().splitlines()
    links = sorted(line for line in lines if "-->" in line)
    nodes = [line for line in lines if "-->" not in line]
    return "\n".join(["```mermaid", "flowchart TB", *nodes, *links, "```", ""])


if __name__ == "__main__":
    page = ROOT / "docs" / "how-it-works.md"
    page.write_text(BLOCK.sub(lambda match: match[1] + drawn() + match[3], page.read_text()))
