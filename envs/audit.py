"""Known vulnerabilities of the pinned dependencies: `make audit`, and so `make lint`.

A vulnerability fails. Where the registry cannot tell (a mirror, no network) that is said, and nothing fails:
an audit that was not made is neither good nor bad news.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
_PIP_AUDIT = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]


def main() -> int:
    """Audit every pin and print what is known of them; 1 where something is."""
    command = [sys.executable, "-m", "pip_audit", *_PIP_AUDIT, "--requirement", str(LOCK)]
    run = subprocess.run(command, capture_output=True, text=True)
    try:
        pins = json.loads(run.stdout)["dependencies"]
    except ValueError:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"audit: not made, the registry gives no answer here ({reason:.200})")
        return 0
    unknown = sum("skip_reason" in pin for pin in pins)
    bad = [(pin, flaw) for pin in pins for flaw in pin.get("vulns", ())]
    known = f"{len(bad)} known vulnerabilities, {unknown} the registry cannot tell about"
    print(f"audit: {len(pins)} pins, {known}")
    for pin, flaw in bad:
        fixed = ", ".join(flaw.get("fix_versions", ())) or "no release yet"
        print(f"audit: {pin['name']} {pin['version']}: {flaw['id']}, fixed in {fixed}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
