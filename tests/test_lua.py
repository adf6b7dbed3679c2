"""KumoMTA's function, called from Lua."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from conftest import skip_real

import kumo
import kumo.lua


def dialects() -> list[str]:
    """The Luas that the installed lupa was built with, ``lua54`` and ``luajit21`` among them."""
    try:
        import lupa
    except ImportError:
        return ["lua54"]
    return [module.name for module in iter_modules(lupa.__path__) if module.name.startswith("lua")]


@pytest.fixture(params=dialects())
def runtime(request: pytest.FixtureRequest) -> Any:
    try:
        module = import_module(f"lupa.{request.param}")
    except ImportError:
        skip_real("lupa is not installed: pip install lupa")
    runtime = module.LuaRuntime()
    kumo.lua.install(runtime)
    return runtime


def test_a_policy_line_runs_as_written(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "5")

    assert runtime.eval("math.ceil(kumo.available_parallelism() / 2)") == 3


def test_the_count_is_pythons(runtime: Any) -> None:
    assert runtime.eval("kumo.available_parallelism()") == kumo.available_parallelism()


def test_it_is_a_number_of_lua(runtime: Any) -> None:
    assert runtime.eval("type(kumo.available_parallelism())") == "number"


def test_a_policy_may_require_it(runtime: Any) -> None:
    assert runtime.eval("require('kumo') == kumo") is True


def test_a_table_that_is_there_is_added_to(runtime: Any) -> None:
    runtime.execute("kumo = {on = function() return 7 end}")
    kumo.lua.install(runtime)

    assert runtime.eval("kumo.on() + kumo.available_parallelism()") == (
        7 + kumo.available_parallelism()
    )


def test_a_change_is_seen_at_the_next_call(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "3")
    before = runtime.eval("kumo.available_parallelism()")
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "4")

    assert (before, runtime.eval("kumo.available_parallelism()")) == (3, 4)


def test_an_error_arrives_in_lua_as_a_string(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "auto")
    kind, message = runtime.execute(
        "local ok, why = pcall(function() return kumo.available_parallelism() end)\n"
        "assert(not ok)\n"
        "return type(why), why"
    )

    assert kind == "string"
    assert message.endswith(
        "KUMO_AVAILABLE_PARALLELISM='auto' is not a positive decimal integer, such as 4"
    )


def test_an_error_that_lua_lets_pass_is_a_lua_error(
    runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "0")

    with pytest.raises(Exception, match="='0' is not a positive decimal integer") as caught:
        runtime.execute("\n\nlocal n = kumo.available_parallelism()")
    assert type(caught.value).__name__ == "LuaError"
    assert ":3:" in str(caught.value), "the line of the policy is in the message"


def test_without_a_package_table(runtime: Any) -> None:
    runtime.execute("package, kumo = nil, nil")
    kumo.lua.install(runtime)

    assert runtime.eval("kumo.available_parallelism()") == kumo.available_parallelism()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("auto", "KUMO_AVAILABLE_PARALLELISM='auto' is not a positive decimal integer, such as 4"),
        (str(2**63), f"KUMO_AVAILABLE_PARALLELISM={2**63} is more than the largest integer of Lua"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", None])
def test_whatever_the_encoding_an_error_is_a_string_of_lua(
    runtime: Any, encoding: str | None, told: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = type(runtime)(encoding=encoding)
    kumo.lua.install(other)
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", told)

    ok, kind, why = other.execute(
        "local ok, why = pcall(kumo.available_parallelism) return ok, type(why), tostring(why)"
    )

    assert (ok, kind) in [(False, "string"), (False, b"string")]
    assert message in (why if isinstance(why, str) else why.decode())


def test_the_largest_integer(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", str(2**63 - 1))

    assert runtime.eval("type(kumo.available_parallelism())") == "number"


def test_a_table_that_is_loaded_and_not_global_is_added_to(runtime: Any) -> None:
    runtime.execute("kumo, package.loaded.kumo = nil, {on = function() return 7 end}")
    kumo.lua.install(runtime)

    assert runtime.eval("kumo == package.loaded.kumo and kumo.on()") == 7
    assert runtime.eval("kumo.available_parallelism()") == kumo.available_parallelism()


def test_a_global_table_and_another_that_is_loaded(runtime: Any) -> None:
    runtime.execute("kumo, package.loaded.kumo = {one = 1}, {two = 2}")
    kumo.lua.install(runtime)

    assert runtime.eval("kumo.one + require('kumo').two") == 3
    assert runtime.eval("kumo.available_parallelism == require('kumo').available_parallelism")


@pytest.mark.parametrize("place", ["kumo", "package.loaded.kumo"])
def test_what_is_there_and_no_table_is_left_alone(runtime: Any, place: str) -> None:
    class Host:
        pass

    host = Host()
    runtime.execute("kumo, package.loaded.kumo = nil, nil")
    runtime.execute(f"{place} = ...", host)

    with pytest.raises(TypeError, match="kumo is a userdata, and must be a table"):
        kumo.lua.install(runtime)
    assert runtime.eval(place) is host
    assert vars(host) == {}


def test_what_is_no_runtime(runtime: Any) -> None:
    with pytest.raises(TypeError, match=r"runtime must be a lupa\.LuaRuntime, not dict"):
        kumo.lua.install({})
    with (
        closing(sqlite3.connect(":memory:")) as database,
        pytest.raises(TypeError, match=r"not Connection"),
    ):
        kumo.lua.install(database)
    with pytest.raises(TypeError, match=r"not the class LuaRuntime"):
        kumo.lua.install(type(runtime))


STRICT = """\
setmetatable(_G, {
    __index = function(_, name) error("undeclared " .. name) end,
    __newindex = function(_, name) error("undeclared " .. name) end,
})
"""


@pytest.mark.parametrize(
    "before",
    [
        STRICT,
        f"package = nil {STRICT}",
        "kumo = setmetatable({}, {__newindex = function() error('locked') end})",
    ],
)
@pytest.mark.parametrize("dialect", dialects())
def test_strict_globals_and_locked_tables(dialect: str, before: str) -> None:
    try:
        strict = import_module(f"lupa.{dialect}").LuaRuntime()
    except ImportError:
        skip_real("lupa is not installed: pip install lupa")
    strict.execute(before)

    kumo.lua.install(strict)

    assert strict.eval("kumo.available_parallelism()") == kumo.available_parallelism()
