"""Run in the virtual machine: a measurement at each order, as one JSON object a line.

    python guest.py SHARED

``go-1`` in the folder is the first order, ``go-2`` the next; ``end`` in its place is the last.
"""

import json
import sys
import time
from itertools import count
from pathlib import Path

import kumo
from kumo._measure.verdict import as_dict


def main(shared: Path) -> None:
    """Follow the orders."""
    with (shared / "results").open("a", buffering=1) as results:
        print(json.dumps({"ready": True}), file=results)
        for number in count(1):
            order = shared / f"go-{number}"
            while not order.exists():
                if (shared / "end").exists():
                    return
                time.sleep(0.1)
            try:
                record = as_dict(kumo.measure())
            except Exception as error:  # noqa: BLE001 - the host raises it
                record = {"error": repr(error)}
            print(json.dumps(record), file=results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
