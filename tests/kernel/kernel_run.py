"""Runs one layout without pytest and prints what differs; for work on the tests themselves.

python tests/kernel/kernel_run.py v2 --trees 20 --only view-
"""

import argparse
from collections import Counter
from typing import Any

import kernel_boot
import kernel_verdict


def _print_record(record: dict[str, Any], known: Counter[str]) -> bool:
    """Print what is wrong with one record; tell whether anything is."""
    wrong = [record["error"]] if record["error"] else []
    for check in record["checks"]:
        wrong += kernel_verdict.differences(check)
        try:
            error = kernel_verdict.rust_error(check)
        except ValueError as unknown:
            wrong.append(f"Rust: {unknown}")
        else:
            known.update([error] if error else [])
    if wrong or record.get("remarks") or record.get("not_here"):
        print(f"== {record['name']}", *record.get("story", []), sep="\n   ")
        print(*wrong, *record.get("remarks", []), record.get("not_here") or "", sep="\n")
    return bool(wrong)


def main() -> None:
    """Boot, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layout", choices=kernel_boot.MACHINE)
    parser.add_argument("--trees", type=int, default=0)
    parser.add_argument("--seed", type=int, default=kernel_boot.SEED)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    booted = kernel_boot.boot(given.layout, given.trees, given.seed, given.only)
    known: Counter[str] = Counter()
    records = [record for record in booted.records if record["kind"] != "end"]
    wrong = sum(_print_record(record, known) for record in records)
    for text, times in known.items():
        print(f"known Rust error, {times} times: {text}")
    print(booted.failure or booted.of_kind("end"))
    print(f"{wrong} of {len(records)} records differ")


main()
