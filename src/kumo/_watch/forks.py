"""Locks, threads and queues are renewed in a forked child, even one that Python has not noticed.

Python calls its hooks in a child that `os.fork` makes. uWSGI forks its workers in C, and calls no
hooks unless it is started with ``--py-call-osafterfork``. So whatever is about to take a lock of
kumo's, or to rely on a thread, calls `check` first: it compares the process's number.

Its guarantees, with what each rests on:

- A child waits for no lock that a thread of its parent had: each is replaced, by Python's hook or
  at the first `check`.
- Everything is renewed once for each fork, in the order in which the modules were imported: what
  a module relies on has been renewed before it.
- Nothing here takes a lock. A child that has just forked has one thread, so none is needed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_pid = os.getpid()
_renewals: list[Callable[[], object]] = []


def in_child(renew: Callable[[], object]) -> None:
    """Have *renew* called in each forked child, after those that were given before."""
    _renewals.append(renew)


def check() -> None:
    """Renew everything if this is a forked child that has not done so."""
    if os.getpid() != _pid:
        _renew_all()


def is_uwsgi_master() -> bool:
    """Whether this process forks uWSGI's workers, in C and without taking the global lock first.

    A thread of ours that has the lock at that moment would keep it in the worker, which then waits
    for it for ever. So no thread is started here; the worker starts its own.
    """
    uwsgi = sys.modules.get("uwsgi")
    try:
        return uwsgi is not None and uwsgi.masterpid() == os.getpid()
    except AttributeError:  # a module of that name that is not uWSGI's
        return False


def _renew_all() -> None:
    global _pid
    _pid = os.getpid()
    for renew in tuple(_renewals):
        renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
