"""LightGBM for one row or a batch, one thread, equal to `Booster.predict` bit by bit.

The library is called through its documented C interface, so serving never imports the lightgbm package (and with it
scikit-learn and pandas): one row costs a few microseconds instead of fifty. A model's text is checked in full before
the library sees it, because the library trusts it and a damaged text could end the process.

* LibraryMissing   lib_lightgbm or the OpenMP runtime it needs is not installed; says what to install
* InvalidModel     the text is not a model this engine can score; says where it is wrong
"""

import ctypes
import importlib.util
import sys
import threading
import weakref
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.forest import Forest
from models.modeltext import InvalidModel, ModelShape, inspect_model

__all__ = ["ConstantScorer", "InvalidModel", "LibraryMissing", "Predictor", "Scorer"]

Vector = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_FLOAT32, _ROW_MAJOR = 0, 1
_NORMAL, _CONTRIBUTIONS = 0, 3
_PARAMETERS: Final = b"num_threads=1"
_LIBRARY_NAMES = {"darwin": "lib_lightgbm.dylib", "win32": "lib_lightgbm.dll"}


class LibraryMissing(RuntimeError):
    """LightGBM's shared library cannot be loaded."""


class Predictor(Protocol):
    """What scores a vector: trees, or a constant where the log had nothing to learn from."""

    @property
    def outputs(self) -> int:
        """How many numbers a prediction has (K)."""

    def predict(self, vector: Vector) -> Floats:
        """Shape (K,) for a vector of shape (N,)."""

    def predict_batch(self, matrix: Vector) -> Floats:
        """Shape (n, K) for a matrix of shape (n, N)."""

    def contributions(self, vector: Vector) -> Floats:
        """Shape (K, N + 1): what each feature adds to the raw score, and last the base."""


@cache
def library(hold_interpreter: bool = False) -> ctypes.CDLL:
    """LightGBM's shared library, found without importing its package. Raises LibraryMissing.

    hold_interpreter: calls keep the interpreter lock, right for microseconds, wrong for milliseconds.
    """
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise LibraryMissing("LightGBM is not installed: pip install 'lightgbm>=4.7'")
    path = Path(spec.origin).parent / "lib" / _LIBRARY_NAMES.get(sys.platform, "lib_lightgbm.so")
    try:
        loaded = (ctypes.PyDLL if hold_interpreter else ctypes.CDLL)(str(path))
    except OSError as error:
        raise LibraryMissing(
            f"LightGBM's library does not load ({error}). It needs the OpenMP runtime: "
            "apt-get install libgomp1 (Debian), dnf install libgomp (Fedora), brew install libomp (macOS)"
        ) from error
    loaded.LGBM_GetLastError.restype = ctypes.c_char_p
    return loaded


def _call(name: str, *arguments: object) -> None:
    """One call of the C interface. Raises InvalidModel with the library's own words."""
    if getattr(library(), name)(*arguments) != 0:
        raise InvalidModel(f"{name}: {library().LGBM_GetLastError().decode(errors='replace')}")


def _load(text: bytes) -> ctypes.c_void_p:
    handle, iterations = ctypes.c_void_p(), ctypes.c_int(0)
    _call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(iterations), ctypes.byref(handle))
    return handle


def _fast_config(booster: ctypes.c_void_p, columns: int) -> ctypes.c_void_p:
    handle = ctypes.c_void_p()
    _call(
        "LGBM_BoosterPredictForMatSingleRowFastInit",
        booster,
        ctypes.c_int(_NORMAL),
        ctypes.c_int(0),
        ctypes.c_int(-1),
        ctypes.c_int(_FLOAT32),
        ctypes.c_int32(columns),
        ctypes.c_char_p(_PARAMETERS),
        ctypes.byref(handle),
    )
    return handle


def _free(booster: ctypes.c_void_p, config: ctypes.c_void_p) -> None:
    library().LGBM_FastConfigFree(config)
    library().LGBM_BoosterFree(booster)


class Scorer:
    """A LightGBM model of `features` columns. Safe to share between threads: calls take turns.

    Raises InvalidModel if the text is damaged or was trained on another number of features; LibraryMissing.
    """

    def __init__(self, model_text: str, features: int) -> None:
        self.shape: ModelShape = inspect_model(model_text, features)
        self.forest = _forest(model_text, self.shape)
        self._booster = _load(model_text.encode("ascii"))
        self._fast = _fast_config(self._booster, features)
        self._finalizer = weakref.finalize(self, _free, self._booster, self._fast)
        # One row in and out at fixed addresses: taking an array's address anew would cost more than the trees.
        self._row = np.empty(features, dtype=np.float32)
        self._out = np.empty(self.shape.outputs, dtype=np.float64)
        self._row_at = ctypes.c_void_p(self._row.ctypes.data)
        self._out_at = ctypes.c_void_p(self._out.ctypes.data)
        self._written = ctypes.c_int64(0)
        self._written_at = ctypes.byref(self._written)
        self._predict_row = library(hold_interpreter=True).LGBM_BoosterPredictForMatSingleRowFast
        self._turn = threading.Lock()

    @property
    def outputs(self) -> int:
        """Numbers a prediction has: 1 (binary) or the number of classes."""
        return self.shape.outputs

    @property
    def features(self) -> int:
        """Columns of a vector."""
        return self.shape.features

    def predict(self, vector: Vector) -> Floats:
        """Probabilities of one vector, shape (N,) float32 -> (K,) float64. Raises ValueError on another shape."""
        if vector.shape != self._row.shape:
            raise ValueError(f"a vector of shape {self._row.shape} was expected, not {vector.shape}")
        with self._turn:
            self._row[:] = vector
            if self._predict_row(self._fast, self._row_at, self._written_at, self._out_at) != 0:
                raise InvalidModel(library().LGBM_GetLastError().decode(errors="replace"))
            return self._out.copy()

    def predict_batch(self, matrix: Vector) -> Floats:
        """Probabilities of many vectors, shape (n, N) float32 -> (n, K) float64."""
        return self._matrix(matrix, _NORMAL, self.outputs)

    def contributions(self, vector: Vector) -> Floats:
        """What each feature adds to the raw score (log-odds), and last the base: shape (K, N + 1). Milliseconds."""
        width = self.outputs * (self.features + 1)
        return self._matrix(vector.reshape(1, -1), _CONTRIBUTIONS, width).reshape(self.outputs, self.features + 1)

    def _matrix(self, matrix: Vector, what: int, width: int) -> Floats:
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            raise ValueError(f"a matrix of {self.features} columns was expected, not shape {matrix.shape}")
        rows = np.ascontiguousarray(matrix, dtype=np.float32)
        out = np.empty((len(rows), width), dtype=np.float64)
        if not len(rows):
            return out
        written = ctypes.c_int64(0)
        _call(
            "LGBM_BoosterPredictForMat",
            self._booster,
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_int(_FLOAT32),
            ctypes.c_int32(len(rows)),
            ctypes.c_int32(self.features),
            ctypes.c_int(_ROW_MAJOR),
            ctypes.c_int(what),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_char_p(_PARAMETERS),
            ctypes.byref(written),
            ctypes.c_void_p(out.ctypes.data),
        )
        return out


def _forest(model_text: str, shape: ModelShape) -> Forest | None:
    """The trees, where scores become probabilities the plain way (logistic or softmax) and can be walked; else None."""
    expected = "binary sigmoid:1" if shape.outputs == 1 else f"multiclass num_class:{shape.outputs}"
    header = model_text[: model_text.find("\nTree=0\n")]
    if f"\nobjective={expected}\n" not in header or "average_output" in header:
        return None
    try:
        return Forest.of(model_text)
    except InvalidModel:
        return None


class ConstantScorer:
    """The base rates, for every vector: what is honest where a log has (nearly) no positives."""

    def __init__(self, rates: Floats, features: int) -> None:
        if rates.ndim != 1 or not len(rates) or not bool(np.all((rates >= 0) & (rates <= 1))):
            raise InvalidModel("a constant model holds one probability per output, from 0 to 1")
        self._rates = rates.astype(np.float64)
        self.features = features

    @property
    def outputs(self) -> int:
        """Numbers a prediction has."""
        return len(self._rates)

    def predict(self, vector: Vector) -> Floats:
        """The base rates, shape (K,)."""
        return self._rates.copy()

    def predict_batch(self, matrix: Vector) -> Floats:
        """The base rates in every row, shape (n, K)."""
        return np.tile(self._rates, (len(matrix), 1))

    def contributions(self, vector: Vector) -> Floats:
        """Nothing from any feature; the base is the log-odds. Shape (K, N + 1)."""
        out = np.zeros((self.outputs, self.features + 1))
        rates = np.clip(self._rates, 1e-9, 1 - 1e-9)
        out[:, -1] = np.log(rates / (1 - rates))
        return out
