"""``kumo.available_parallelism()`` for Lua that is embedded in Python, where the name is from.

import lupa, kumo.lua
runtime = lupa.LuaRuntime()
kumo.lua.install(runtime)
runtime.eval("math.ceil(kumo.available_parallelism() / 2)")
"""

from __future__ import annotations

from kumo._live import available_parallelism
from kumo._records import OverrideError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# An exception of Python's would cross Lua as an object of Python's. The message is raised again
# as an error of Lua's own, at the line that called.
INSTALL = """\
local count = ...
kumo = kumo or {}
function kumo.available_parallelism()
    local value = count()
    if type(value) == "string" then error(value, 2) end
    return value
end
if package and package.loaded then package.loaded.kumo = kumo end
"""


def install(runtime: Any) -> None:
    """Put ``available_parallelism`` into the table ``kumo`` of a Lua *runtime*.

    *runtime* is a ``LuaRuntime`` of the package ``lupa``, which ``kumo-parallelism[lua]``
    brings. A global table ``kumo`` that is there is added to, and ``require 'kumo'``
    gives it too. As in KumoMTA, the function takes nothing and returns an integer, at least 1;
    a malformed ``KUMO_AVAILABLE_PARALLELISM`` is a Lua error with the message of `OverrideError`.
    Raise `TypeError` where *runtime* is no Lua runtime.
    https://docs.kumomta.com/reference/kumo/available_parallelism/
    """
    if not callable(getattr(runtime, "execute", None)):
        raise TypeError(f"runtime must be a lupa.LuaRuntime, not {type(runtime).__name__}")
    runtime.execute(INSTALL, _count)


def _count() -> int | str:
    """The count, or the message of what is wrong."""
    try:
        return available_parallelism()
    except OverrideError as error:
        return str(error)
