"""Build farms: how many CPUs a build may use, which nothing but a variable says.

A count is taken only beside the farm's own marker, which it sets for each build: the same
variable in somebody's ``.bashrc`` grants nothing.

- Nix and Guix: ``NIX_BUILD_CORES``, with ``NIX_BUILD_TOP``; 0 stands for all CPUs.
  https://nix.dev/manual/nix/stable/advanced-topics/cores-vs-jobs
- conda-build, rattler-build: ``CPU_COUNT``, with ``CONDA_BUILD``.
  https://docs.conda.io/projects/conda-build/en/stable/user-guide/environment-variables.html
- rpmbuild: ``RPM_BUILD_NCPUS``, with ``RPM_PACKAGE_NAME``.
  https://github.com/rpm-software-management/rpm, macros.in, at ``___build_pre``
- Debian: ``parallel=N`` in ``DEB_BUILD_OPTIONS``, with ``DEB_RULES_REQUIRES_ROOT``.
  https://www.debian.org/doc/debian-policy/ch-source.html, dpkg-buildpackage(1)
"""

from __future__ import annotations

from math import inf

from kumo._detectors._grants import COUNT_FORM, parse_count
from kumo._notes import malformed
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "build farms"
ANNOUNCED = ("NIX_BUILD_TOP", "CONDA_BUILD", "RPM_PACKAGE_NAME", "DEB_RULES_REQUIRES_ROOT")
# The farm's marker, the variable with the count, and what its users call the grant.
FARMS = (
    ("NIX_BUILD_TOP", "NIX_BUILD_CORES", "Nix: cores of a build"),
    ("CONDA_BUILD", "CPU_COUNT", "conda-build: CPUs of a build"),
    ("RPM_PACKAGE_NAME", "RPM_BUILD_NCPUS", "rpmbuild: CPUs of a build"),
    ("DEB_RULES_REQUIRES_ROOT", "DEB_BUILD_OPTIONS", "Debian: parallel of a build"),
)
ALL = "NIX_BUILD_CORES"  # in it, 0 stands for all CPUs


def detect(system: System) -> Iterator[Limit | Note]:
    for marker, variable, words in FARMS:
        text = system.env(variable) if system.env(marker) else None
        if text is not None and variable == "DEB_BUILD_OPTIONS":
            text = parse_options(text)
        if text is None:
            continue
        if variable == ALL and text.strip() == "0":
            yield Limit("build", "allocation", inf, f"${variable}", f"0 ({words}, all CPUs)")
            continue
        try:
            cpus = parse_count(text)
        except ValueError:
            yield malformed(f"${variable}", text, COUNT_FORM)
            continue
        yield Limit("build", "allocation", cpus, f"${variable}", f"{cpus} ({words})")


def parse_options(text: str) -> str | None:
    """Return N of ``parallel=N`` among the words of DEB_BUILD_OPTIONS; `None` without it."""
    words = [word.partition("=") for word in text.split()]
    return next((value for name, _, value in words if name == "parallel"), None)
