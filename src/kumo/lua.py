"""``kumo.available_parallelism()`` for Lua that is embedded in Python, as in KumoMTA.

import lupa, kumo.lua
runtime = lupa.LuaRuntime()
kumo.lua.install(runtime)
runtime.eval("math.ceil(kumo.available_parallelism() / 2)")
"""

from __future__ import annotations

from kumo._hot.count import available_parallelism
from kumo._override import VARIABLE, OverrideError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Strict globals, and tables that are locked, raise at each read or write that is not raw.
# An exception of Python's would cross Lua as an object of Python's. The message is raised again
# as an error of Lua's own, at the line that called.
INSTALL = """\
local count = ...
local globals = _G
local package = rawget(globals, "package")
local loaded = type(package) == "table" and package.loaded or {}
local kumo, required = rawget(globals, "kumo"), rawget(loaded, "kumo")
for _, taken in pairs({kumo, required}) do
    if type(taken) ~= "table" then return type(taken) end
end
kumo = kumo or required or {}
local function available_parallelism()
    local value = count()
    if type(value) == "string" then error(value, 2) end
    return value
end
rawset(globals, "kumo", kumo)
rawset(loaded, "kumo", required or kumo)
rawset(kumo, "available_parallelism", available_parallelism)
rawset(required or kumo, "available_parallelism", available_parallelism)
"""
MAX_INTEGER = (
    2**63 - 1
)  # the largest integer of Lua, https://www.lua.org/manual/5.4/manual.html#2.1


def install(runtime: Any) -> None:
    """Put ``available_parallelism`` into the table ``kumo`` of a Lua *runtime*.

    *runtime* is a ``LuaRuntime`` of the package ``lupa``, which the extra ``lua``
    brings. A global table ``kumo`` that is there is added to, and ``require 'kumo'``
    gives it too. As in KumoMTA, the function takes nothing and returns an integer, at least 1;
    a malformed ``KUMO_AVAILABLE_PARALLELISM`` is a Lua error with the message of `OverrideError`,
    and so is one beyond the integers of Lua.
    Raise `TypeError` if *runtime* is not a Lua runtime, or if its ``kumo`` is not a table; what
    is there is left alone.
    https://docs.kumomta.com/reference/kumo/available_parallelism/
    """
    # lupa has a class of this name for each version of Lua.
    kinds = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(runtime).__mro__]
    if ("lupa", "LuaRuntime") not in kinds:
        shown = f"the class {runtime.__name__}" if isinstance(runtime, type) else kinds[0][1]
        raise TypeError(f"runtime must be a lupa.LuaRuntime, not {shown}")
    taken = runtime.execute(INSTALL, _count)
    if taken is not None:
        kind = taken if isinstance(taken, str) else taken.decode()
        raise TypeError(f"the runtime's global or loaded kumo is a {kind}, and must be a table")


def _count() -> int | bytes:
    """The count, or the message of what is wrong: in bytes, a string of Lua in any encoding."""
    try:
        count = available_parallelism()
    except OverrideError as error:
        return str(error).encode("utf-8", "surrogateescape")
    if count > MAX_INTEGER:
        return f"{VARIABLE}={count} is more than the largest integer of Lua, {MAX_INTEGER}".encode()
    return count
