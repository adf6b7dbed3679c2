"""What the processes of the pools do not have to import: pytest."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _main_is_not_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process begins with the program's main module, which takes pytest most of its time."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
