"""Windows' records of cores as text, from bytes as the call writes them on a 64-bit system."""

from __future__ import annotations

import ctypes

import pytest

from kumo._system.windows import classes_text

pytestmark = pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="masks of 8 bytes")


def core(efficiency: int, *masks: int) -> bytes:
    """A core of an efficiency class, with its CPUs in each group."""
    groups = b"".join(
        mask.to_bytes(8, "little") + group.to_bytes(2, "little") + bytes(6)
        for group, mask in enumerate(masks)
    )
    head = bytes(4) + (32 + len(groups)).to_bytes(4, "little") + bytes((0, efficiency))
    return head + bytes(20) + len(masks).to_bytes(2, "little") + groups


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (core(1, 0b11) * 2 + core(0, 0b1) * 3, "class-1 4\nclass-0 3"),
        (core(0, 0b1) + core(2, 0b11, 0b1111), "class-2 6\nclass-0 1"),
        (core(0, 0b11) * 4, None),  # one class says nothing
        (b"", None),
        (core(1, 0b11) + core(0, 0b1) + bytes(31), "class-1 2\nclass-0 1"),
        (core(1, 0b11) + core(0, 0b1) + bytes(40), "class-1 2\nclass-0 1"),  # a size of 0
    ],
)
def test_the_efficiency_classes(data: bytes, text: str | None) -> None:
    assert classes_text(data) == text
