"""Build farms: how many CPUs a build may use, which nothing but a variable says.

A count is taken only beside the farm's own marker, which it sets for each build: the same
variable in somebody's ``.bashrc`` grants nothing.

- Nix and Guix: ``NIX_BUILD_CORES``, with ``NIX_BUILD_TOP``; 0 stands for all CPUs. In the shell of
  ``nix-shell`` and ``nix develop``, which has ``IN_NIX_SHELL``, it grants nothing: no build runs.
  https://nix.dev/manual/nix/stable/advanced-topics/cores-vs-jobs
- conda-build, rattler-build: ``CPU_COUNT``, with ``CONDA_BUILD``.
  https://docs.conda.io/projects/conda-build/en/stable/user-guide/environment-variables.html
- rpmbuild: ``RPM_BUILD_NCPUS``, with ``RPM_PACKAGE_NAME``.
  https://github.com/rpm-software-management/rpm, macros.in, at ``___build_pre``
- Debian: ``parallel=N`` in ``DEB_BUILD_OPTIONS``, with ``DEB_RULES_REQUIRES_ROOT``.
  https://www.debian.org/doc/debian-policy/ch-source.html, dpkg-buildpackage(1)
- Gentoo: ``-jN`` in ``MAKEOPTS``, with ``EBUILD_PHASE``; ``-j`` alone stands for no limit.
  https://wiki.gentoo.org/wiki/MAKEOPTS, make.conf(5),
  https://devmanual.gentoo.org/ebuild-writing/variables/
- flatpak-builder: ``FLATPAK_BUILDER_N_JOBS``, with ``FLATPAK_BUILDER_BUILDDIR``.
  https://github.com/flatpak/flatpak-builder, src/builder-module.c
- Snapcraft and Canonical's other tools: ``CRAFT_PARALLEL_BUILD_COUNT``, with ``CRAFT_PART_NAME``;
  for core20 ``SNAPCRAFT_PARALLEL_BUILD_COUNT``, with ``SNAPCRAFT_PART_BUILD``.
  https://documentation.ubuntu.com/snapcraft/stable/reference/parts/part-environment-variables
"""

from __future__ import annotations

from kumo._detectors._grants import COUNT_FORM, parse_count
from kumo._notes import malformed
from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "build farms"
# The farm's marker, the variable with the count, and what its users call the grant.
FARMS = (
    ("NIX_BUILD_TOP", "NIX_BUILD_CORES", "Nix: cores of a build"),
    ("CONDA_BUILD", "CPU_COUNT", "conda-build: CPUs of a build"),
    ("RPM_PACKAGE_NAME", "RPM_BUILD_NCPUS", "rpmbuild: CPUs of a build"),
    ("DEB_RULES_REQUIRES_ROOT", "DEB_BUILD_OPTIONS", "Debian: parallel of a build"),
    ("EBUILD_PHASE", "MAKEOPTS", "Gentoo: jobs of a build"),
    ("FLATPAK_BUILDER_BUILDDIR", "FLATPAK_BUILDER_N_JOBS", "flatpak-builder: jobs of a build"),
    ("CRAFT_PART_NAME", "CRAFT_PARALLEL_BUILD_COUNT", "Snapcraft: jobs of a part"),
    ("SNAPCRAFT_PART_BUILD", "SNAPCRAFT_PARALLEL_BUILD_COUNT", "Snapcraft: jobs of a part"),
)
ANNOUNCED = tuple(marker for marker, _, _ in FARMS)
ALL = "NIX_BUILD_CORES"  # in it, 0 stands for all CPUs
TAKES_VALUE = frozenset("CEIOWflo")  # make's letters before j: a j is then in their value
SHELL = "IN_NIX_SHELL"  # an interactive one, in which no build runs


def detect(system: System) -> Iterator[Limit | Note]:
    for marker, variable, words in FARMS:
        text = system.env(variable) if system.env(marker) else None
        if text is not None and variable in READERS:
            text = READERS[variable](text)
        if text is None or (variable == ALL and system.env(SHELL)):
            continue
        if text == "" or (variable == ALL and text.strip() == "0"):
            shown = f"{text.strip() or '-j'} ({words}, all CPUs)"
            yield Limit("build", "allocation", inf, f"${variable}", shown)
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


def parse_makeopts(text: str) -> str | None:
    """Return N of ``-jN``, ``-j N``, ``--jobs=N`` or ``--jobs N``: as for make, the last one.

    It is empty if no number follows, which means as many as there are. `None` without the option.
    """
    jobs: str | None = None
    words = text.split()
    for word, after in zip(words, [*words[1:], ""]):  # noqa: B905 - without words one is longer
        if word == "--jobs":
            jobs = after if after.isdigit() else ""
        elif word.startswith("--jobs="):
            jobs = word[7:]
        elif (
            word[:1] == "-"
            and (letters := word[1:].partition("j"))[1]
            and (not letters[0] or letters[0].isalpha())
            and TAKES_VALUE.isdisjoint(letters[0])
        ):  # as in -kj8, which Gentoo's multiprocessing.eclass reads too
            jobs = letters[2] or (after if after.isdigit() else "")
    return jobs


# Variables that contain more than the count.
READERS = {"DEB_BUILD_OPTIONS": parse_options, "MAKEOPTS": parse_makeopts}
