"""A worker of torchrun, which prints the threads of its PyTorch."""

import torch

print("threads", torch.get_num_threads(), flush=True)
