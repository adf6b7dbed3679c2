# ruff: noqa: E501 - a program is one line of a shell or of Python
"""The programs of `reach.py`: what each starts, for how many threads or processes to be counted.

`ml` and `old` are Pythons with many libraries: 3.13, and 3.11 where os.cpu_count reads no variable.
`sh` rows are run by a shell in an empty directory, after *ready*.
A row that is not about BLAS switches off the threads that OpenBLAS starts when numpy is imported,
so that its own are counted. `reach.py` counts it with them as well.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Program(NamedTuple):
    """One row: its name, where it runs, what, what is counted, and where its version is from."""

    name: str
    where: str
    code: str
    counts: str = "threads"
    version: str = ""
    ready: str = "true"
    blas: bool = False
    """Whether OpenBLAS is what the row is about."""
    why: Mapping[str, str] = MappingProxyType({})
    """Why it is wrong where it is, at any count: by modes, several with spaces between."""

    @property
    def wrong(self) -> dict[str, str]:
        """The reason for each mode in which it is wrong."""
        return {mode: why for modes, why in self.why.items() for mode in modes.split()}

    @property
    def imports(self) -> bool:
        """Whether it may import numpy, whose OpenBLAS is not what it is about."""
        return self.where != "sh" and not self.blas and self.counts == "threads"

    def source(self, *, alone: bool = True) -> str:
        """Return what is run, *alone* without the threads of numpy's OpenBLAS."""
        return f"{ALONE}{self.code}" if alone and self.imports else self.code


ALONE = "import os; os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')\n"
_X = "import numpy as np; X=np.random.default_rng(0).random((400,8)).astype('f4'); y=(X[:,0]>.5)\n"
_WAIT = "import time; time.sleep(.3)\n"


# Why a program is wrong.
_OLD = "`os.cpu_count()` reads no variable before Python 3.13"
_OPENBLAS = "OpenBLAS: its variables stop joblib, Dask, Ray or torchrun from dividing"
_OPENMP = "OpenMP: its variables stop joblib, Dask, Ray or torchrun from dividing"
_NPROC = "follows `OMP_NUM_THREADS` alone, which stops others from dividing"
_COUNTS = "counts the CPUs, and reads no variable"
_ONLINE = "counts the online CPUs, whatever its affinity, and reads no variable"
_PHYSICAL = "reads the topology files of every CPU, and no variable"
_STAT = "counts the lines of `/proc/stat`, and reads no variable"
_ALL = "run view files pin"


def _ml(name: str, package: str, code: str, where: str = "ml", **more: Any) -> Program:
    return Program(name, where, f"{code}\n{_WAIT}", version=package, **more)


def _both(
    name: str, package: str, code: str, old: Mapping[str, str] | None = None, **more: str
) -> tuple[Program, Program]:
    """On a Python that reads PYTHON_CPU_COUNT, and on one that does not, with *old* as its why."""
    return (
        _ml(f"{name}, Python 3.13", package, code, **more),
        _ml(f"{name}, Python 3.11", package, code, where="old", why=old or {}, **more),
    )


def _sh(name: str, version: str, code: str, ready: str = "true", **more: Any) -> Program:
    return Program(name, "sh", code, version=version, ready=ready, **more)


_MANY = "for i in $(seq 80); do echo 'a = 1' > m$i.py; done"
_JOBS = "import time\ndef f(i): time.sleep(.1)\n"
_ONNX = """
import numpy as np, onnxruntime as o
from onnx import helper as h, TensorProto as T
t=lambda n: h.make_tensor_value_info(n,T.FLOAT,[80,80])
g=h.make_graph([h.make_node('MatMul',['a','b'],['c'])],'g',[t('a'),t('b')],[t('c')])
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)]); m.ir_version=9
s=o.InferenceSession(m.SerializeToString(),providers=['CPUExecutionProvider'])
"""
_WORKERS = "const w=require('{}');"
_NODE = """node -e "
const {Worker} = require('worker_threads'), n = require('os').COUNT
let up = 0
for (let i = 0; i < n; i++) new Worker('setInterval(() => 0, 1000)', {eval: true}).on(
  'online', () => ++up == n && setTimeout(process.exit, 500))"
"""

PROGRAMS = (
    # Python itself
    *_both(
        "multiprocessing.Pool",
        "",
        f"{_JOBS}import multiprocessing as m\nwith m.get_context('fork').Pool() as p: p.map(f,range(9))",
        counts="processes",
        old={"run pin": _OLD}),
    *_both(
        "ProcessPoolExecutor",
        "",
        f"{_JOBS}import multiprocessing as m\nfrom concurrent.futures import ProcessPoolExecutor as P\n"
        "with P(mp_context=m.get_context('fork')) as p: list(p.map(f,range(99)))",
        counts="processes",
        old={"run pin": _OLD}),
    _ml(
        "ThreadPoolExecutor, Python 3.13",
        "",
        f"{_JOBS}from concurrent.futures import ThreadPoolExecutor as P\n"
        "with P() as p: list(p.map(f,range(99)))",
    ),
    _ml(
        "asyncio.to_thread, Python 3.13",
        "",
        f"{_JOBS}import asyncio\nasync def main(): await asyncio.gather(*[asyncio.to_thread(f,i) for i in range(99)])\n"
        "asyncio.run(main())",
    ),
    # BLAS and numerics
    _ml("numpy svd (OpenBLAS)", "numpy", f"{_X}np.linalg.svd(np.ones((300,300)))", blas=True,
        why={"run": _OPENBLAS}),
    _ml("scipy.linalg", "scipy", "import scipy.linalg as l,numpy as n; l.svd(n.ones((300,300)))", blas=True,
        why={"run": _OPENBLAS}),
    _ml(
        "scipy.fft, workers=-1",
        "scipy",
        "import scipy.fft as f,numpy as n; f.fft2(n.ones((1500,1500)),workers=-1)",
    ),
    _ml(
        "numexpr",
        "numexpr",
        "import numexpr as e,numpy as n; a=n.ones(10**6); e.evaluate('a*2')",
    ),
    _ml(
        "numba prange",
        "numba",
        f"{_X}import numba as n\n@n.njit(parallel=True)\ndef f(a):\n  s=0.\n"
        "  for i in n.prange(a.size): s+=a[i]\n  return s\nf(X[:,0])",
        why={"run": "joblib divides by its variable, and `set_num_threads` fails above it"}),
    _ml("MKL", "mkl", "import os; os.environ.setdefault('KMP_AFFINITY','none')\nimport ctypes,glob,sys,numpy as n\n"
        "l=ctypes.CDLL(glob.glob(sys.prefix+'/lib/libmkl_rt.so*')[0])\n"
        "a=n.ones((900,900)); o=n.zeros((900,900)); d=ctypes.c_double; p=lambda x:x.ctypes.data_as(ctypes.c_void_p)\n"
        "l.cblas_dgemm(101,111,111,900,900,900,d(1),p(a),900,p(a),900,d(0),p(o),900)"),
    _ml("blosc2", "blosc2", "import blosc2 as b,numpy as n; b.asarray(n.random.rand(2000000))",
        why={"run": "its variable changes the compressed bytes"}),
    # machine learning
    _ml("scikit-learn HistGradientBoosting", "scikit-learn",
        f"{_X}from sklearn.ensemble import HistGradientBoostingClassifier as R; R(max_iter=2).fit(X,y)"),
    _ml("scikit-learn KMeans", "scikit-learn",
        f"{_X}from sklearn.cluster import KMeans; KMeans(8,n_init=1).fit(X)"),
    _ml("scikit-learn RandomForest, n_jobs=-1", "scikit-learn",
        f"{_X}from sklearn.ensemble import RandomForestClassifier as R; R(99,n_jobs=-1).fit(X,y)"),
    _ml("joblib, n_jobs=-1", "joblib",
        f"{_JOBS}import joblib; joblib.Parallel(n_jobs=-1)(joblib.delayed(time.sleep)(.1) for _ in range(99))",
        counts="processes"),
    _ml("xgboost", "xgboost", f"{_X}import xgboost as x; x.train({{}},x.DMatrix(X,y),2)"),
    _ml("LightGBM train", "lightgbm",
        f"{_X}import lightgbm as l; l.train({{'verbose':-1}},l.Dataset(X,y),2)",
        why={"run": _OPENMP}),
    _ml("LightGBM LGBMClassifier", "lightgbm",
        f"{_X}import lightgbm as l; l.LGBMClassifier(n_estimators=2,verbose=-1).fit(X,y)"),
    _ml("LightGBM LGBMClassifier, n_jobs=-1", "lightgbm",
        f"{_X}import lightgbm as l; l.LGBMClassifier(n_estimators=2,verbose=-1,n_jobs=-1).fit(X,y)"),
    _ml("catboost", "catboost",
        f"{_X}import catboost as c; c.CatBoostClassifier(iterations=2,verbose=0,allow_writing_files=False).fit(X,y)"),
    _ml("faiss-cpu", "faiss-cpu",
        f"{_X}import faiss; i=faiss.IndexFlatL2(8); i.add(X); i.search(X,5)",
        why={"run": _OPENMP}),
    _ml("hnswlib", "hnswlib",
        f"{_X}import hnswlib as h; p=h.Index('l2',8); p.init_index(4000); p.add_items(np.tile(X,(9,1)))",
        why={"run pin": _ONLINE}),
    _ml("annoy, n_jobs=-1", "annoy",
        f"{_X}from annoy import AnnoyIndex as A\nt=A(8,'angular')\n"
        "for i in range(2000): t.add_item(i,[float(v) for v in X[i%400]])\nt.build(256,n_jobs=-1)",
        why={"run pin": _ONLINE}),
    _ml("implicit ALS", "implicit",
        "import implicit,scipy.sparse as s\n"
        "implicit.als.AlternatingLeastSquares(4,iterations=1,use_gpu=False).fit(s.random(400,300,.05,'csr',dtype='f4'),show_progress=False)",
        why={"run": _OPENMP}),
    _ml("hdbscan, core_dist_n_jobs=-1", "hdbscan",
        f"{_X}import hdbscan; hdbscan.HDBSCAN(core_dist_n_jobs=-1).fit(np.random.rand(20000,4))",
        counts="processes"),
    _ml("onnxruntime", "onnxruntime", _ONNX),
    _ml("openvino", "openvino",
        "import openvino as o,numpy as np,openvino.opset13 as s\np=s.parameter([900,900],np.float32)\n"
        "c=o.Core().compile_model(o.Model([s.matmul(p,p,False,False)],[p]),'CPU')\n"
        "for _ in range(9): c(np.ones((900,900),'f4'))",
        why={"run": _COUNTS, "files": "aborts at a count of 1: `/sys` has more CPUs than `online`; `--view` reaches it"}),
    _ml("torch", "torch", "import torch; a=torch.rand(600,600); a@a; torch.rand(10**6).exp()", where="old",
        why={"run": _OPENMP}),
    _ml("jax", "jax", "import jax; a=jax.numpy.ones((999,999)); a.dot(a).block_until_ready()",
        why={"run": "its compiler's pool (MLIR) reads no variable; the pools that compute are right"}),
    _ml("tensorflow", "tensorflow-cpu",
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL']='3'\nimport tensorflow as t; a=t.ones((999,999)); (a@a).numpy()"),
    _ml("opencv", "opencv-python-headless",
        "import cv2,numpy as n; cv2.GaussianBlur(n.zeros((2000,2000),'u1'),(9,9),0)"),
    _ml("tokenizers", "tokenizers",
        "from tokenizers import Tokenizer,models\nt=Tokenizer(models.WordLevel({'a':0},'a')); t.encode_batch(['a a']*9000)"),
    # data
    _ml("pyarrow", "pyarrow",
        "import pyarrow as a,pyarrow.compute as c,numpy as np\n"
        "t=a.table({'k':np.arange(10**6)%9,'v':np.ones(10**6)}); t.group_by('k').aggregate([('v','sum')])"),
    _ml("polars", "polars",
        "import polars as p; p.DataFrame({'k':list(range(99999))}).group_by('k').len()",
        why={"run": "idle threads of jemalloc, whose variable is one of flags; the computing pool is right"}),
    _ml("duckdb", "duckdb", "import duckdb as d; d.sql('select sum(i) from range(99999999) t(i)').fetchall()"),
    _ml("datafusion", "datafusion",
        "import datafusion as d; d.SessionContext().sql('select sum(value) from range(1,9000000)').collect()"),
    _ml("chdb (ClickHouse)", "chdb", "import chdb; chdb.query('select sum(number) from numbers_mt(300000000)')",
        why={"files": "two more helper threads; the pools that compute are right"}),
    _ml("zstandard, threads=-1", "zstandard",
        "import zstandard as z,os; z.ZstdCompressor(threads=-1).compress(os.urandom(1<<24))",
        why={"run pin": _ONLINE}),
    _ml("rasterio, num_threads=all_cpus", "rasterio",
        "import rasterio,numpy as np,warnings; warnings.simplefilter('ignore')\n"
        "with rasterio.open('a.tif','w',driver='GTiff',width=3000,height=3000,count=1,dtype='uint8',compress='deflate',num_threads='all_cpus',tiled=True) as d: d.write(np.zeros((1,3000,3000),'u1'))",
        why={"run": "counts the CPUs, and `all_cpus` beats its variable"}),
    *_both("dask threads", "dask",
              "import dask,time; dask.compute(*[dask.delayed(time.sleep)(.1+i/9999) for i in range(99)],scheduler='threads')",
        old={"run": "`DASK_NUM_WORKERS` beats the project's configuration; `os.cpu_count()` reads no variable"}),
    *_both("optuna, n_jobs=-1", "optuna",
              "import optuna,time; optuna.logging.disable_default_handler()\n"
           "optuna.create_study().optimize(lambda t:(time.sleep(.05),t.suggest_float('x',0,1))[1],n_trials=150,n_jobs=-1)",
        old={"run pin": _OLD}),
    _ml("tsfresh", "tsfresh",
        "import tsfresh.defaults as d,multiprocessing as m,time\n"
        "with m.get_context('fork').Pool(d.N_PROCESSES) as p: p.map(time.sleep,[.1]*9)", counts="processes"),
    _ml("modin", "modin", "from modin.config import CpuCount as c\nimport multiprocessing as m,time\n"
        "with m.get_context('fork').Pool(c.get()) as p: p.map(time.sleep,[.1]*9)", counts="processes"),
    _ml("pandarallel", "pandarallel",
        "import pandarallel.core as c,multiprocessing as m,time\n"
        "with m.get_context('fork').Pool(c.NB_PHYSICAL_CORES) as p: p.map(time.sleep,[.1]*9)", counts="processes",
        why={_ALL: _PHYSICAL}),
    # development
    *_both("Django test --parallel", "django",
           "import multiprocessing as m,time\nfrom django.test.runner import get_max_test_processes as g\n"
           "with m.get_context('fork').Pool(g()) as p: p.map(time.sleep,[.1]*9)", counts="processes"),
    *_both("tox -p auto", "tox",
           "import multiprocessing as m,time\nfrom tox.util.cpu import auto_detect_cpus as g\n"
           "with m.get_context('fork').Pool(g()) as p: p.map(time.sleep,[.1]*9)", counts="processes",
        old={"run": _OLD}),
    _ml("pre-commit", "pre-commit",
        "import multiprocessing as m,time\nfrom pre_commit.lang_base import target_concurrency as g\n"
        "with m.get_context('fork').Pool(g()) as p: p.map(time.sleep,[.1]*9)", counts="processes",
        why={"run": "its variable is a switch, which is set at a count of 1"}),
    _ml("psutil.cpu_count", "psutil",
        "import multiprocessing as m,time,psutil\n"
        "with m.get_context('fork').Pool(psutil.cpu_count()) as p: p.map(time.sleep,[.1]*9)", counts="processes",
        why={"run pin": _ONLINE}),
    _ml("psutil.cpu_count(logical=False)", "psutil",
        "import multiprocessing as m,time,psutil\n"
        "with m.get_context('fork').Pool(psutil.cpu_count(logical=False)) as p: p.map(time.sleep,[.1]*9)", counts="processes",
        why={_ALL: _PHYSICAL}),
    _sh("flake8, Python 3.13", "ml:flake8", "$ML/flake8 *.py", _MANY, counts="processes"),
    _sh("flake8, Python 3.11", "old:flake8", "$OLD/flake8 *.py", _MANY, counts="processes",
        why={"run pin": _OLD}),
    _sh("black", "ml:black", "$ML/black -q .", "for i in $(seq 80); do echo 'a = 1+1' > m$i.py; done", counts="processes"),
    _sh("pytest -n auto", "ml:pytest-xdist", "$ML/pytest -q -n auto -p no:cacheprovider -p no:kumo", "echo 'def test_a(): pass' > test_a.py", counts="processes"),
    _sh("sphinx -j auto, Python 3.13", "ml:sphinx", "$ML/sphinx-build -q -j auto . _out",
        "echo > conf.py; for i in $(seq 80); do printf 'T\\n=\\n\\nx\\n' > d$i.rst; done; cp d1.rst index.rst", counts="processes"),
    _sh("celery worker", "ml:celery", "timeout -s INT 6 $ML/celery -A capp worker; test $? = 124",
        "printf 'from celery import Celery\\napp=Celery(\"capp\",broker=\"memory://\")\\n' > capp.py", counts="processes"),
    _sh("gunicorn, 2 * cpu_count() + 1", "ml:gunicorn", "timeout 6 $ML/gunicorn -c g.py -b unix:s app:app; test $? = 124",
        "printf 'def app(e,s):\\n s(\"200 OK\",[]);return [b\"\"]\\n' > app.py; printf 'import multiprocessing as m\\nworkers=2*m.cpu_count()+1\\n' > g.py", counts="processes"),
    # tools
    _sh("gunicorn, one worker", "ml:gunicorn", "timeout 6 $ML/gunicorn -b unix:s app:app; test $? = 124",
        "printf 'def app(e,s):\\n s(\"200 OK\",[]);return [b\"\"]\\n' > app.py", counts="processes"),
    _sh("pylint -j0", "ml:pylint", "$ML/pylint -j0 --disable=all --enable=E *.py", _MANY, counts="processes"),
    _sh("xargs -P$(nproc)", "nproc --version", "seq 90 | xargs -P$(nproc) -n1 sleep .1", counts="processes",
        why={"run": _NPROC}),
    _sh("make -j$(nproc)", "make --version", "make -s -j$(nproc)",
        "printf 'all: ' > Makefile; for i in $(seq 80); do printf \"t$i \" >> Makefile; done; printf '\\n%%:\\n\\t@sleep 0.1\\n' >> Makefile", counts="processes",
        why={"run": _NPROC}),
    _sh("ninja", "ninja --version", "ninja > /dev/null",
        "printf 'rule s\\n command = sleep 0.2\\n' > build.ninja; for i in $(seq 100); do echo \"build t$i: s\" >> build.ninja; done", counts="processes"),
    _sh("GNU sort", "sort --version", "sort f > /dev/null", "seq 2000000 | tac > f",
        why={"run": _NPROC}),
    _sh("xz -T0", "xz --version", "xz -T0 -0 -c f > /dev/null", "head -c 400000000 /dev/zero > f",
        why={"run": "counts the CPUs, and `-T0` beats its variable"}),
    _sh("zstd -T0", "zstd --version", "zstd -q -T0 -c f > /dev/null", "head -c 90000000 /dev/urandom > f",
        why={"run pin": "counts the online CPUs, whatever its affinity, and `-T0` beats its variable"}),
    _sh("pigz", "pigz --version", "pigz -1 -c f > /dev/null", "head -c 40000000 /dev/urandom > f",
        why={"run pin": "counts the online CPUs; Makefiles use its variable for its name: `--with pigz`"}),
    _sh("pbzip2", "pbzip2 --version", "pbzip2 -c f > /dev/null", "head -c 20000000 /dev/urandom > f",
        why={"run pin": _ONLINE}),
    _sh("lbzip2", "lbzip2 --version", "lbzip2 -c f > /dev/null", "head -c 20000000 /dev/urandom > f",
        why={"run pin": "counts the online CPUs; Makefiles use its variable for its name: `--with lbzip2`"}),
    _sh("7z", "7z", "7z a -mx1 o.7z f > /dev/null", "head -c 30000000 /dev/urandom > f",
        why={_ALL: "takes the number of configured CPUs, which a view leaves true; reads no variable"}),
    _sh("ffmpeg libx264", "ffmpeg -version", "ffmpeg -v error -f lavfi -i testsrc=size=640x360:rate=30 -t 3 -c:v libx264 -preset ultrafast -f null -",
        why={"run": _COUNTS}),
    _sh("x264", "x264 --version", "x264 --quiet --preset ultrafast -o /dev/null f.y4m 2> /dev/null",
        "ffmpeg -v error -f lavfi -i testsrc=size=640x360:rate=30 -t 3 -pix_fmt yuv420p f.y4m",
        why={"run": _COUNTS}),
    _sh("ffmpeg libx265", "ffmpeg -version", "ffmpeg -v error -f lavfi -i testsrc=size=640x360:rate=30 -t 2 -c:v libx265 -preset ultrafast -f null -",
        why={"run view pin": "reads the NUMA node's files, and no variable"}),
    _sh("ImageMagick", "identify -version", "convert -size 3000x3000 plasma:red -blur 0x2 null:"),
    _sh("nginx, worker_processes auto", "nginx -v", "timeout 2 nginx -p $PWD -c $PWD/n.conf; test $? = 124",
        "printf 'worker_processes auto;\\ndaemon off;\\npid nginx.pid;\\nerror_log e.log;\\nevents{}\\n' > n.conf", counts="processes",
        why={"run pin": _ONLINE}),
    _sh("java parallel stream", "java -version", "java J.java",
        "printf 'import java.util.stream.*;class J{public static void main(String[] a){IntStream.range(0,99).parallel().forEach(i->{try{Thread.sleep(20);}catch(Exception e){}});}}' > J.java"),
    _sh("Go", "go version", "GODEBUG=schedtrace=100 ./c",
        "printf 'package main\\nimport (\"runtime\";\"time\")\\nfunc main(){for i:=0;i<runtime.GOMAXPROCS(0);i++{go func(){for t:=time.Now();time.Since(t)<time.Second;{}}()};time.Sleep(time.Second)}' > c.go; "
        "GOCACHE=$PWD/.gc go build c.go"),
    _sh("cargo build", "cargo --version", "cargo build -q --offline",
        "mkdir src; printf '[workspace]\\nmembers=[\"m*\"]\\n' > Cargo.toml; for i in $(seq 30); do mkdir -p m$i/src; printf \"[package]\\nname=\\\"m$i\\\"\\nversion=\\\"0.0.0\\\"\\n\" > m$i/Cargo.toml; printf 'fn main(){std::thread::sleep(std::time::Duration::from_millis(300));}' > m$i/build.rs; echo > m$i/src/lib.rs; done", counts="processes"),
    # node
    _sh("node availableParallelism", "node --version", _NODE.replace("COUNT", "availableParallelism()"), why={"run": _COUNTS}),
    _sh("node os.cpus", "node --version", _NODE.replace("COUNT", "cpus().length"), why={_ALL: _STAT}),
    _sh("jest", "npm:jest", "node $NPM/jest/bin/jest.js --silent --rootDir . 2> /dev/null",
        "echo '{\"name\":\"a\"}' > package.json; for i in $(seq 90); do echo \"test('a',async()=>{await new Promise(r=>setTimeout(r,200))})\" > a$i.test.js; done", counts="processes",
        why={"run": _COUNTS}),
    _sh("mocha --parallel", "npm:mocha", "node $NPM/mocha/bin/mocha.js --parallel '*.js' > /dev/null",
        "for i in $(seq 90); do echo \"it('a',done=>setTimeout(done,200))\" > a$i.js; done", counts="processes",
        why={_ALL: "counts the lines of `/proc/stat`; its variable beats the project's configuration"}),
    _sh("piscina", "npm:piscina", "node -e \"const P=require('$NPM/piscina').Piscina;const p=new P({filename:process.cwd()+'/w.js',minThreads:1});Promise.all([...Array(200)].map(()=>p.run(1))).then(()=>p.destroy())\"",
        "echo 'module.exports=()=>new Promise(r=>setTimeout(r,50))' > w.js",
        why={"run": _COUNTS}),
    _sh("workerpool", "npm:workerpool", "node -e \"const p=require('$NPM/workerpool').pool({workerType:'process'});Promise.all([...Array(200)].map(()=>p.exec(()=>new Promise(r=>setTimeout(r,50))))).then(()=>p.terminate())\"", counts="processes",
        why={_ALL: _STAT}),
    _sh("vitest", "npm:vitest", "NODE_PATH=$NPM node $NPM/vitest/vitest.mjs run --globals > /dev/null 2>&1",
        "mkdir node_modules; ln -s $NPM/* node_modules; echo '{\"name\":\"a\",\"type\":\"module\"}' > package.json; for i in $(seq 90); do echo \"test('a',async()=>{await new Promise(r=>setTimeout(r,200))})\" > a$i.test.js; done", counts="processes",
        why={"run": "its variable beats the project's configuration: `--with vitest`"}),
    _sh("esbuild", "npm:esbuild", "$NPM/.bin/esbuild --bundle --minify es*.js --outdir=out --log-level=error",
        "for i in $(seq 70); do seq 9000 | sed 's/.*/console.log(&+\"a\")/' > es$i.js; done"),
)  # fmt: skip
