"""What PyTorch starts to build an extension, on a build file of plain jobs."""

from torch.utils import cpp_extension

cpp_extension._run_ninja_build(".", verbose=True, error_prefix="the jobs failed")
