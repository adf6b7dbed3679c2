"""AWS Lambda: CPU time in proportion to the function's memory.

1,769 MB stand for one vCPU, which is one vCPU-second a second:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
No file inside shows it. Two places set the variables without that limit: the emulator of
AWS SAM, and Lambda Managed Instances, whose vCPUs follow a ratio that the function cannot see.
"""

from __future__ import annotations

from kumo._detectors._grants import parse_count
from kumo._notes import malformed, note
from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "AWS Lambda"
ANNOUNCED = ("AWS_LAMBDA_FUNCTION_NAME",)
MEMORY, MEGABYTES_A_CPU = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1769
MANAGED = "lambda-managed-instances"


def detect(system: System) -> Iterator[Limit | Note]:
    text = system.env(MEMORY)
    if text is None:
        return
    if system.env("AWS_SAM_LOCAL") == "true":
        shown = f"{text} (AWS SAM emulates Lambda without its limit)"
        yield Limit("lambda", "rate", inf, f"${MEMORY}", shown)
        return
    if system.env("AWS_LAMBDA_INITIALIZATION_TYPE") == MANAGED:
        shown = f"{text} (Lambda Managed Instances: MB, not CPU time)"
        yield Limit("lambda", "rate", inf, f"${MEMORY}", shown)
        yield note(
            "platform-hides",
            platform="Lambda Managed Instances",
            what="the number of vCPUs",
            place="ExecutionEnvironmentMemoryGiBPerVCpu of the capacity provider",
            differs="is less",
        )
        return
    try:
        cpus = parse_count(text) / MEGABYTES_A_CPU
    except ValueError:
        yield malformed(f"${MEMORY}", text, "a number of megabytes such as 1769")
        return
    shown = f"{text} (AWS Lambda: MB, one vCPU for each 1769)"
    yield Limit("lambda", "rate", cpus, f"${MEMORY}", shown)
