"""What `worth.py` runs: work that prints its seconds, without the imports and the data before it.

It is repeated for a second, ten periods of the quota, and its mean is printed.

``SIZE`` in the environment is the number of threads that the program itself asks for.
"""

from __future__ import annotations

from typing import NamedTuple

START = """\
import os, time
size = int(os.environ.get("SIZE", "0"))
def tell(work):
    work()
    number, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < 1:
        work()
        number += 1
    print((time.perf_counter() - begin) / number)
"""
LIMITED = """\
from contextlib import nullcontext
from threadpoolctl import threadpool_limits
limit = threadpool_limits(size) if size else nullcontext()
"""


class Work(NamedTuple):
    """A piece of work: the *package* that does it, whose version is shown, and its code."""

    name: str
    package: str
    code: str


WORKS = (
    Work(
        "xgboost, 20 trees", "xgboost",
        "import numpy as np, xgboost as xgb\n"
        "rng = np.random.default_rng(0); X = rng.random((20000, 20), dtype=np.float32)\n"
        "data = xgb.DMatrix(X, label=X[:, 0] + X[:, 1] * X[:, 2])\n"
        "options = {'max_depth': 6, 'tree_method': 'hist', **({'nthread': size} if size else {})}\n"
        "tell(lambda: xgb.train(options, data, 20))\n",
    ),
    Work(
        "LightGBM, 40 trees", "lightgbm",
        "import numpy as np, lightgbm as lgb\n"
        "rng = np.random.default_rng(0); X = rng.random((20000, 20))\n"
        "y = X[:, 0] + X[:, 1] * X[:, 2]\n"
        "options = {'verbose': -1, **({'num_threads': size} if size else {})}\n"
        "tell(lambda: lgb.train(options, lgb.Dataset(X, y), 40))\n",
    ),
    Work(
        "HistGradientBoosting, 10 iterations", "scikit-learn",
        "import numpy as np\n"
        "from sklearn.ensemble import HistGradientBoostingRegressor as Model\n" + LIMITED +
        "rng = np.random.default_rng(0); X = rng.random((20000, 20))\n"
        "y = X[:, 0] + X[:, 1] * X[:, 2]\n"
        "with limit: tell(lambda: Model(max_iter=10, early_stopping=False).fit(X, y))\n",
    ),
    Work(
        "numpy svd, 300 x 300", "numpy",
        "import numpy as np\n" + LIMITED +
        "A = np.random.default_rng(0).random((300, 300))\n"
        "with limit: tell(lambda: [np.linalg.svd(A) for _ in range(3)])\n",
    ),
    Work(
        "faiss, exact search", "faiss-cpu",
        "import numpy as np, faiss\n"
        "if size: faiss.omp_set_num_threads(size)\n"
        "rng = np.random.default_rng(0); X = rng.random((20000, 64), dtype=np.float32)\n"
        "index = faiss.IndexFlatL2(64); index.add(X)\n"
        "tell(lambda: index.search(X[:1000], 10))\n",
    ),
    Work(
        "torch, two layers", "torch",
        "import torch\n"
        "if size: torch.set_num_threads(size)\n"
        "torch.manual_seed(0); X = torch.rand(512, 512)\n"
        "net = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.ReLU(), "
        "torch.nn.Linear(512, 512))\n"
        "tell(lambda: [net(X).sum().backward() for _ in range(10)])\n",
    ),
    Work(
        "onnxruntime, 40 products", "onnxruntime",
        "import numpy as np, onnxruntime as ort\n"
        "def field(number, value):\n"
        "    if isinstance(value, int): return bytes([number << 3, value])\n"
        "    assert len(value) < 128; return bytes([number << 3 | 2, len(value)]) + value\n"
        "tensor = field(1, 1) + field(2, b'')\n"
        "info = lambda name: field(1, name) + field(2, field(1, field(1, 1)))\n"
        "node = field(1, b'a') + field(1, b'b') + field(2, b'c') + field(4, b'MatMul')\n"
        "graph = (field(1, node) + field(2, b'g') + field(11, info(b'a')) + field(11, info(b'b'))\n"
        "         + field(12, info(b'c')))\n"
        "model = field(1, 8) + field(7, graph) + field(8, field(2, 13))\n"
        "options = ort.SessionOptions(); options.intra_op_num_threads = size\n"
        "session = ort.InferenceSession(model, options, providers=['CPUExecutionProvider'])\n"
        "X = np.random.default_rng(0).random((400, 400), dtype=np.float32)\n"
        "tell(lambda: [session.run(None, {'a': X, 'b': X}) for _ in range(40)])\n",
    ),
    Work(
        "joblib, 8 tasks of BLAS", "joblib",
        "import numpy as np, joblib\n" + LIMITED.replace("(size)", "(1)") +
        "A = np.random.default_rng(0).random((300, 300))\n"
        "def task(): return [A @ A for _ in range(40)] and None\n"
        "with limit, joblib.Parallel(n_jobs=size or -1) as pool:\n"
        "    tell(lambda: pool(joblib.delayed(task)() for _ in range(8)))\n",
    ),
)  # fmt: skip
