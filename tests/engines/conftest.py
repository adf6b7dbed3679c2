"""The cgroups of the tests of real limits."""

from real.conftest import make_group

__all__ = ["make_group"]
