"""Accelerators and the NUMA node that each is near.

https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-bus-pci: ``class`` is
``0x030200``, of which the first byte is 03 for display, which GPUs are, and 12 for processing
accelerators (PCI Code and ID Assignment Specification); 0x0604 is a bridge, with devices below.
AWS Neuron devices are of class 0x0880, another system peripheral.
``numa_node`` is ``-1`` if the firmware does not know it.
"""

from __future__ import annotations

from kumo._records import Record
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._system.live import System

DEVICES = "/sys/devices"
COMPUTING = ("0x0302", "0x0380", "0x1200")
# Of these classes, those alone that come from a vendor of accelerators: 0x0300 is a VGA controller,
# which is also a server's own chip. NVIDIA, AMD, Intel; Amazon.
BY_VENDOR = {"0x0300": ("0x10de", "0x1002", "0x8086"), "0x0880": ("0x1d0f",)}
BRIDGE = "0x0604"


class Accelerator(Record):
    """A GPU or another processing accelerator.

    *address* is its PCI address, as CUDA's ``CUDA_DEVICE_ORDER=PCI_BUS_ID`` sorts them, *vendor*
    and *device* its PCI ids, *node* the NUMA node it is near, `None` if that is not known.
    """

    address: str
    vendor: str
    device: str
    node: int | None


def accelerators(system: System) -> Iterator[Accelerator]:
    """Yield the accelerators of the machine by their address; a closed sysfs shows none."""
    devices = []
    roots = [name for name in _names(system, DEVICES) if name.startswith("pci")]
    places = [f"{DEVICES}/{name}" for name in roots]
    while places:
        place = places.pop()
        for name in _names(system, place):
            if name.count(":") != 2 or "." not in name:  # an address such as 0000:65:00.0
                continue
            kind = _text(system, f"{place}/{name}/class")
            if kind.startswith(BRIDGE):
                places.append(f"{place}/{name}")
            elif kind.startswith(COMPUTING) or _is_known(system, f"{place}/{name}", kind):
                devices.append(_device(system, place, name))
    yield from sorted(devices, key=lambda device: device.address)


def _is_known(system: System, place: str, kind: str) -> bool:
    vendors = BY_VENDOR.get(kind[:6])
    return vendors is not None and _text(system, f"{place}/vendor") in vendors


def _device(system: System, place: str, name: str) -> Accelerator:
    node = _text(system, f"{place}/{name}/numa_node")
    return Accelerator(
        name,
        _text(system, f"{place}/{name}/vendor"),
        _text(system, f"{place}/{name}/device"),
        whole_number(node, 9),
    )


def _names(system: System, path: str) -> list[str]:
    try:
        return list(system.list(path) or ())
    except OSError:
        return []


def _text(system: System, path: str) -> str:
    try:
        return (system.read(path) or "").strip()
    except OSError:
        return ""
