"""The verbs: each is the module of its name here, with `add_arguments` and `run`.

A module also has ``DESCRIPTION``, and may have ``DETAILS`` for the end of its help and ``EXITS``:
the exit codes that it has beside those of all verbs, or with another meaning.
"""

from __future__ import annotations

VERBS = {
    "count": "print the count and nothing else, as kumo alone does",
    "explain": "print the count and why: every limit and note",
    "snapshot": "print a machine file, which gives this answer anywhere",
    "run": "run a command whose environment states the count",
    "env": "print that environment for a shell",
    "doctor": "check what each runtime believes, and how to fix it",
    "watch": "print the count, and a line at each change",
    "topology": "show which nodes, caches and cores the CPUs belong to",
    "pressure": "find out what slows a process down",
    "top": "watch quotas and throttling in a terminal",
    "measure": "find out how much CPU time is really delivered",
    "fleet": "compare a cluster engine's slots with the CPUs of its nodes",
    "metrics": "print limits and counters for Prometheus",
    "report": "write one HTML page about a process",
    "help": "print the help of a verb",
    "version": "print the version",
}

# Options that a word follows, so that a verb behind options can be recognized.
TAKES_VALUE = frozenset(
    {
        *("--address", "--at-least", "--interval", "--machine", "--max", "--memory-per-worker"),
        *("--pid", "--port", "--round", "--seconds", "--settle", "--share", "--shell", "--signal"),
        *("--textfile", "--with", "--without", "--workers"),
        *("--metrics", "--pressure", "--timeout", "-o"),
    }
)

# Those of every verb.
EXITS = {
    0: "the answer was printed",
    2: "a wrong verb or option",
    3: "a process, file, override or output that cannot be used",
    130: "interrupted from the keyboard",
    141: "the output is a pipe whose reader is gone",
}
