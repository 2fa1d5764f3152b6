"""A bundle: the models that go live together, in one content-addressed folder.

manifest.json names every other file with its checksum, the fingerprint of the feature table it was trained on, the
data window, the figures and the seed, and holds no clock: the same data and seed give the same bytes. The bundle's id
is the first 16 hex digits of the manifest's SHA-256. Models are LightGBM texts (or base rates, in the manifest, where
the log had nothing to learn from), arrays are .npz without pickle.

InvalidBundle.reason is one of

* missing      a file is not there
* checksum     a file is not what the manifest says, or the id is not the manifest's
* manifest     the manifest is no JSON object of this format
* fingerprint  trained on another feature table than this code's; train again
* name         a file name that leads out of the folder or is unknown
* pickle       an array or file that only pickle could read
* array        arrays that do not fit, or NaN in them
* model        a model's text is damaged
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from features.schema import FEATURES, FINGERPRINT, N_FEATURES
from models.calibration import Calibration
from models.factors import ItemFactors
from models.folders import Folder
from models.intent import INTENTS, IntentModel
from models.item_index import ItemIndex
from models.linear import Blended, Linear
from models.panel import Panel
from models.ranker import Ranker
from models.scorer import ConstantScorer, InvalidModel, Predictor, Scorer
from models.stage import STAGES, StageModel
from models.timing import Timing
from models.uplift import Uplift
from models.uplift import decode as decode_uplift

Floats = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float32]
ArrayMap = dict[str, npt.NDArray[np.generic]]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MODELS: Final = ("stage", *(f"intent_{name}" for name in INTENTS))
_FILES: Final = frozenset({"calibration.npz", "items.npz", *(f"{name}.txt" for name in MODELS)})
OPTIONAL: Final = ("stats", "reference", "timing")
"""Names of arrays that a bundle may hold: item statistics at the window's end; how features and scores were spread; how
long visitors stay on a page."""

RANKER: Final = "ranker.txt"
LINEAR: Final = "linear.npz"
UPLIFT: Final = "uplift.json"
_OPTIONAL_FILES: Final = frozenset({RANKER, LINEAR, UPLIFT, *(f"{name}.npz" for name in OPTIONAL)})
_FACTORS: Final = "factors_"
_STAGE_WEIGHTS: Final = "stage_weights"
"""Among the calibrations' arrays; bundles of before it name the likeliest stage."""

_NO_UPLIFT: Final = Uplift({})
_PICKLES = (".pkl", ".pickle", ".joblib")


class InvalidBundle(ValueError):
    """A bundle was refused. reason: one of the words in this module's docstring."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Scores(msgspec.Struct, frozen=True):
    """What a bundle says of a vector. stage: float64 (6,), intent: float64 (4,).

    named: the place of the stage it names (models/stage.py); where not given, the likeliest.
    uplift: effects of the actions that have a model of their own, by the action's hash (models/uplift.py).
    """

    stage: Floats
    intent: Floats
    named: int = -1
    uplift: Mapping[int, float] = MappingProxyType({})

    @property
    def stage_name(self) -> str:
        """The stage named, of STAGES."""
        return STAGES[self.named if self.named >= 0 else int(np.argmax(self.stage))]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bundle is written from.

    models: by name (MODELS), a LightGBM text, or base rates (K,). calibrations: by the same names. about: JSON values
    for the manifest (window, rows, figures, seed, notes). ranker: text of a models.ranker.Ranker, "" for none. arrays:
    by the names in OPTIONAL. factors: of the products, None where there was too little to learn them from. linears: of
    models that are trees, the part blended into them; a constant's is not written. stage_weights: float64 (6,), of
    the stages when one is named (models/stage.py); None: all alike. uplift: text of
    models.uplift.encode, "" for none.
    """

    models: Mapping[str, str | Floats]
    calibrations: Mapping[str, Calibration]
    items: ItemIndex
    about: Mapping[str, Any]
    ranker: str = ""
    arrays: Mapping[str, ArrayMap] = field(default_factory=dict)
    factors: ItemFactors | None = None
    linears: Mapping[str, Linear] = field(default_factory=dict)
    stage_weights: Floats | None = None
    uplift: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked, immutable set of models. ranker, arrays, factors: as in Parts. timing: None if it was not learned.

    effects: of actions. panel: stage and intent as one pass, where they can be.
    """

    id: str
    manifest: Mapping[str, Any]
    stage: StageModel
    intent: IntentModel
    items: ItemIndex
    ranker: str = ""
    arrays: Mapping[str, ArrayMap] = field(default_factory=dict)
    factors: ItemFactors | None = None
    timing: Timing | None = None
    effects: Uplift = _NO_UPLIFT
    panel: Panel | None = None

    def score(self, vector: Vector) -> Scores:
        """Stage, intent and the actions' effects of one vector, shape (N,)."""
        if self.panel is not None:
            said, named = self.panel.score(vector)
            stages, intents = said[: len(STAGES)], said[len(STAGES) :]
        else:
            stages, intents = self.stage.probabilities(vector), self.intent.probabilities(vector)
            named = int(self.stage.named(stages))
        return Scores(stages, intents, named, self.uplift(vector))

    def score_rows(self, matrix: Vector) -> list[Scores]:
        """The same of many vectors, shape (n, N)."""
        if self.panel is None:
            return [self.score(row) for row in matrix]
        said, named = self.panel.score_rows(matrix)
        cut = len(STAGES)
        pairs = zip(said, named.tolist(), matrix, strict=True)
        return [Scores(row[:cut], row[cut:], which, self.uplift(vector)) for row, which, vector in pairs]

    def uplift(self, vector: Vector) -> dict[int, float]:
        """The effect of each action that has an uplift model, by the action's hash. vector: shape (N,)."""
        return self.effects.predict(vector)

    def explain(self, vector: Vector) -> dict[str, dict[str, float]]:
        """By model (`stage_<name>`, `intent_<name>`), what each feature adds to the raw log-odds; "base" is the rest.

        Features that add nothing are left out. Milliseconds: not for the request path.
        """
        explained = {}
        stages = self.stage.scorer.contributions(vector)
        for name, row in zip(STAGES, stages, strict=True):
            explained[f"stage_{name}"] = _named(row)
        for name, scorer in zip(INTENTS, self.intent.scorers, strict=True):
            explained[f"intent_{name}"] = _named(scorer.contributions(vector)[0])
        return explained


def _named(contributions: Floats) -> dict[str, float]:
    names = [*(feature.name for feature in FEATURES), "base"]
    return {name: float(value) for name, value in zip(names, contributions, strict=True) if value or name == "base"}


def encode(parts: Parts) -> tuple[str, dict[str, bytes]]:
    """The bundle's id and its files by name, manifest included: the same parts give the same bytes."""
    if set(parts.models) != set(MODELS) or set(parts.calibrations) != set(MODELS):
        raise InvalidBundle("manifest", f"models and calibrations must be those of {', '.join(MODELS)}")
    if not set(parts.arrays) <= set(OPTIONAL):
        raise InvalidBundle("manifest", f"arrays must be some of {', '.join(OPTIONAL)}")
    files = {f"{name}.txt": model.encode() for name, model in parts.models.items() if isinstance(model, str)}
    weights: ArrayMap = {} if parts.stage_weights is None else {_STAGE_WEIGHTS: parts.stage_weights}
    curves = _joined(parts.calibrations[name].to_arrays(name) for name in MODELS)
    files["calibration.npz"] = _npz({**curves, **weights})
    linears = {name: one for name, one in parts.linears.items() if isinstance(parts.models[name], str)}
    if linears:
        files[LINEAR] = _npz(_joined(one.to_arrays(name) for name, one in linears.items()))
    factors = {} if parts.factors is None else parts.factors.to_arrays()
    files["items.npz"] = _npz({**parts.items.to_arrays(), **{_FACTORS + name: one for name, one in factors.items()}})
    files |= {f"{name}.npz": _npz(parts.arrays[name]) for name in OPTIONAL if name in parts.arrays}
    if parts.ranker:
        files[RANKER] = parts.ranker.encode()
    if parts.uplift:
        files[UPLIFT] = parts.uplift.encode()
    manifest = {
        **parts.about,
        "format": FORMAT,
        "features": {"fingerprint": FINGERPRINT, "count": N_FEATURES},
        "constants": {name: rates.tolist() for name, rates in parts.models.items() if not isinstance(rates, str)},
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
    return identity(text), {**files, MANIFEST: text}


def identity(manifest: bytes) -> str:
    """A bundle's id: the first 16 hex digits of its manifest's SHA-256."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def _joined(maps: Iterable[ArrayMap]) -> ArrayMap:
    return {name: array for one in maps for name, array in one.items()}


def _npz(arrays: ArrayMap) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(sorted(arrays.items())))
    return buffer.getvalue()


def write(folder: str | Path, parts: Parts) -> str:
    """Writes the bundle's files into a folder, the manifest last, and returns its id.

    Replaces an earlier bundle there. Raises InvalidBundle if what was written does not load.
    """
    identifier, files = encode(parts)
    target = Folder(folder)
    for name in sorted(files, key=lambda name: name == MANIFEST):
        target.write(name, files[name])
    for name in (_FILES | _OPTIONAL_FILES) - set(files):  # not in this bundle, and maybe in the bundle replaced here
        if target.local:
            (Path(target.address) / name).unlink(missing_ok=True)
    load(folder)
    return identifier


def load(folder: str | Path) -> Bundle:
    """The bundle in a folder (a path or an address fsspec knows), checked in full. Raises InvalidBundle."""
    identifier, files = read_files(Folder(folder))
    return decode(identifier, files)


def load_arrays(folder: str | Path, name: str) -> ArrayMap:
    """Arrays of one name in OPTIONAL, verified, without the models beside them; {} if the bundle holds none.

    Raises InvalidBundle.
    """
    _, files = read_files(Folder(folder))
    return _arrays(f"{name}.npz", files) if f"{name}.npz" in files else {}


def read_files(folder: Folder) -> tuple[str, dict[str, bytes]]:
    """A bundle's id and its files' bytes, names and checksums verified. Raises InvalidBundle."""
    for name in folder.names():
        if name.endswith(_PICKLES):
            raise InvalidBundle("pickle", f"{name}: a bundle holds no pickle")
    text = _read(folder, MANIFEST)
    files = {MANIFEST: text}
    for name, expected in _listed(_manifest(text)).items():
        files[name] = _read(folder, name)
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise InvalidBundle("checksum", f"{name} is not the file that the manifest was written for")
    return identity(text), files


def _read(folder: Folder, name: str) -> bytes:
    try:
        return folder.read(name)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InvalidBundle("missing", f"{name} is not in {folder.address}") from error


def _manifest(text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise InvalidBundle("manifest", f"not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InvalidBundle("manifest", f"not of format {FORMAT}")
    return manifest


def _listed(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Files and checksums that the manifest names, every name known and none missing."""
    listed, constants = manifest.get("files"), manifest.get("constants")
    if not isinstance(listed, dict) or not isinstance(constants, dict):
        raise InvalidBundle("manifest", "files or constants are not listed")
    for name, checksum in listed.items():
        if name not in _FILES | _OPTIONAL_FILES:
            raise InvalidBundle("name", f"{name!r} is no file of a bundle")
        if not isinstance(checksum, str):
            raise InvalidBundle("manifest", f"{name} has no checksum")
    for name in sorted(_FILES - set(listed) - {f"{name}.txt" for name in constants}):
        raise InvalidBundle("missing", f"{name} is not in the manifest: train again")
    return listed


def decode(identifier: str, files: Mapping[str, bytes]) -> Bundle:
    """A bundle from verified files. Raises InvalidBundle."""
    manifest = _manifest(files[MANIFEST])
    trained_on = manifest.get("features")
    if not isinstance(trained_on, dict) or trained_on.get("fingerprint") != FINGERPRINT:
        found = trained_on.get("fingerprint") if isinstance(trained_on, dict) else None
        raise InvalidBundle("fingerprint", f"trained on features {found}, this code makes {FINGERPRINT}: train again")
    arrays, indexed = _arrays("calibration.npz", files), _arrays("items.npz", files)
    linears = _arrays(LINEAR, files) if LINEAR in files else {}
    optional = {name: _arrays(f"{name}.npz", files) for name in OPTIONAL if f"{name}.npz" in files}
    try:
        scorers = {name: _scorer(name, manifest, files, linears) for name in MODELS}
        curves = {name: Calibration.from_arrays(arrays, name) for name in MODELS}
        weights = np.asarray(arrays.get(_STAGE_WEIGHTS, np.ones(len(STAGES))), np.float64)
        stage = StageModel(scorers["stage"], curves["stage"], weights)
        intents = [f"intent_{name}" for name in INTENTS]
        intent = IntentModel(tuple(scorers[i] for i in intents), tuple(curves[i] for i in intents))
        panel = Panel.of([(scorers[name], curves[name]) for name in MODELS], weights)
        items, factors = ItemIndex.from_arrays(indexed), _factors(indexed)
        ranker = files.get(RANKER, b"").decode("ascii", "replace")
        if ranker:
            Ranker.of(ranker)
        timing = Timing.from_arrays(optional["timing"]) if "timing" in optional else None
        effects = _effects(files)
    except InvalidModel as error:
        raise InvalidBundle("model", str(error)) from error
    except (KeyError, ValueError) as error:
        raise InvalidBundle("array", str(error)) from error
    return Bundle(identifier, manifest, stage, intent, items, ranker, optional, factors, timing, effects, panel)


def _effects(files: Mapping[str, bytes]) -> Uplift:
    if UPLIFT not in files:
        return _NO_UPLIFT
    return decode_uplift(files[UPLIFT].decode("utf-8", "replace"), tuple(feature.name for feature in FEATURES))


def _factors(arrays: ArrayMap) -> ItemFactors | None:
    own = {name.removeprefix(_FACTORS): array for name, array in arrays.items() if name.startswith(_FACTORS)}
    return ItemFactors.from_arrays(own) if own else None


def _scorer(name: str, manifest: Mapping[str, Any], files: Mapping[str, bytes], linears: ArrayMap) -> Predictor:
    if name in manifest["constants"]:
        return ConstantScorer(np.asarray(manifest["constants"][name], np.float64), N_FEATURES)
    try:
        trees = Scorer(files[f"{name}.txt"].decode("ascii"), N_FEATURES)
    except (InvalidModel, UnicodeDecodeError) as error:
        raise InvalidModel(f"{name}.txt: {error}") from error
    linear = any(key.startswith(f"{name}_") for key in linears)
    return Blended(trees, Linear.from_arrays(linears, name)) if linear else trees


def _arrays(name: str, files: Mapping[str, bytes]) -> ArrayMap:
    """Arrays of a verified .npz; float arrays without NaN."""
    try:
        with np.load(io.BytesIO(files[name]), allow_pickle=False) as archive:
            arrays: ArrayMap = {key: archive[key] for key in archive.files}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        reason = "pickle" if "pickle" in str(error).lower() else "array"
        raise InvalidBundle(reason, f"{name}: {error}") from error
    for key, array in arrays.items():
        if array.dtype.kind == "f" and bool(np.any(np.isnan(array.astype(np.float64)))):
            raise InvalidBundle("array", f"{name}: {key} holds NaN")
    return arrays
