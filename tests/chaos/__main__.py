"""``python -m tests.chaos --seed N``: everything at once, and nothing lost, doubled or told wrongly."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import chaos

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cancellations", type=int, default=300)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.cancellations} cancellations", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        verdict = asyncio.run(chaos(Path(folder) / "chaos.db", options.seed, options.cancellations))
    for name, figure in verdict.figures.items():
        print(f"{name:34} {figure}")
    for wrong in verdict.wrongs:
        print(f"WRONG  {wrong}")
    if verdict.wrongs:
        print(f"Run it again with --seed {options.seed} --cancellations {options.cancellations}.")
        sys.exit(1)
    print("Nothing was lost, doubled or told wrongly.")
