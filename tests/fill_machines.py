"""Add to the machine files the notes that their estimates have and their `expect` does not name.

    python tests/fill_machines.py [NAME ...]

Prints each note that it adds, with its text. Read them: what is added is what kumo says, and not
yet what is right.
"""

import sys
from pathlib import Path

from kumo._survey import survey
from kumo._system.machine_file import read_machine

MACHINES = Path(__file__).with_name("machines")


def missing(path: Path) -> dict[str, str]:
    """Return the texts of the notes, by code, that the file does not expect."""
    machine = read_machine(path)
    lines = machine.expect().splitlines()
    notes = {note.code: note.text for note in survey(machine).notes}
    return {code: text for code, text in notes.items() if f"note {code}" not in lines}


def main() -> None:
    paths = [MACHINES / f"{name}.txt" for name in sys.argv[1:]] or sorted(MACHINES.glob("*.txt"))
    for path in paths:
        notes = missing(path)
        if not notes:
            continue
        print(f"{path.stem}", *(f"  {code}: {text}" for code, text in notes.items()), sep="\n")
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"note {code}\n" for code in notes)


if __name__ == "__main__":
    main()
