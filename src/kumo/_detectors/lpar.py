"""An AIX partition: the capacity that it is entitled to, and the process's resource set.

https://www.ibm.com/docs/en/aix/7.3.0?topic=l-lparstat-command
A capped partition gets its entitlement and no more. That is in processors, each of which runs as
many logical CPUs at once as it has threads; the count is in logical CPUs.
"""

from __future__ import annotations

from kumo._notes import malformed, unreadable
from kumo._records import Limit, inf
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

PARTITION = "lpar_get_info"
SET = "ra_getrset"
FORM = "mode=Capped or Uncapped, ent=, vcpu= and lcpu= with their numbers"


def _positive_decimal(text: str) -> float:
    if not whole_number(text.replace(".", "", 1)):
        raise ValueError(text)
    return float(text)


def parse_partition(text: str) -> float:
    """Return the partition's logical CPUs' worth of time, `inf` if it is not capped.

    Format: ``mode=Capped ent=0.30 vcpu=3 lcpu=12``. Raise `ValueError` for anything else.
    """
    words = dict(word.partition("=")[::2] for word in text.split())
    if words.get("mode") not in ("Capped", "Uncapped"):
        raise ValueError(text)
    entitled = _positive_decimal(words.get("ent", ""))
    virtual = _positive_decimal(words.get("vcpu", ""))
    logical = _positive_decimal(words.get("lcpu", ""))
    return entitled * logical / virtual if words["mode"] == "Capped" else inf


def detect(system: System) -> Iterator[Limit | Note]:
    for call, parse, form in (
        (PARTITION, parse_partition, FORM),
        (SET, _positive_decimal, "the number of processors in the set"),
    ):
        try:
            text = system.fact(call)
            if text is None:
                continue
            cpus = parse(text)
        except OSError as error:
            yield unreadable(call, error)
        except ValueError:
            yield malformed(call, text or "", form)
        else:
            if call == SET:
                yield Limit("affinity", "set", int(cpus), call, text)
            else:
                yield Limit("entitlement", "rate", cpus, call, text)
