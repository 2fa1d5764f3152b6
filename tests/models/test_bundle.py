import dataclasses
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.schema import INDEX
from models.bundle import InvalidBundle, load, write
from models.calibration import Calibration
from models.intent import HELP
from models.stage import STAGES
from tests.models.bundles import booster, parts, vectors


def rewrite(folder: Path, **changes: Any) -> None:
    """Changes keys of a manifest, as an attacker or a bug would."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def replace(folder: Path, name: str, data: bytes) -> None:
    """Replaces a file and its checksum."""
    (folder / name).write_bytes(data)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite(folder, files={**files, name: hashlib.sha256(data).hexdigest()})


def reason(folder: Path) -> str:
    with pytest.raises(InvalidBundle) as refused:
        load(folder)
    return refused.value.reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "bundle", parts())
    return tmp_path / "bundle"


def test_a_bundle_scores_as_its_models_do(folder: Path) -> None:
    bundle = load(folder)
    row = vectors(20, seed=9)[3]
    scores = bundle.score(row)
    assert scores.stage == pytest.approx(np.asarray(booster(6).predict(row[None]))[0])
    assert scores.intent[0] == pytest.approx(float(np.asarray(booster(1).predict(row[None]))[0]))
    assert scores.intent[HELP] == pytest.approx(0.01)
    assert len(bundle.items) == 6


def test_a_bundle_names_the_stage_by_its_weights_and_without_any_the_likeliest(tmp_path: Path) -> None:
    weights = np.array([0.1, 1.0, 1.0, 1.0, 1.0, 9.0])
    write(tmp_path / "a", parts())
    write(tmp_path / "b", dataclasses.replace(parts(), stage_weights=weights))
    likeliest, weighted = load(tmp_path / "a"), load(tmp_path / "b")
    for row in vectors(50, seed=5):
        said = likeliest.score(row).stage
        assert np.array_equal(weighted.score(row).stage, said)
        assert likeliest.score(row).stage_name == STAGES[int(said.argmax())]
        assert weighted.score(row).stage_name == STAGES[int((said * weights).argmax())]
    with pytest.raises(InvalidBundle, match="weights"):
        write(tmp_path / "c", dataclasses.replace(parts(), stage_weights=np.ones(5)))


def test_the_same_parts_give_the_same_bytes_and_id(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", parts()), write(tmp_path / "b", parts())
    assert first == second == load(tmp_path / "a").id
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_another_window_is_another_bundle(tmp_path: Path) -> None:
    assert write(tmp_path / "a", parts(window=[1, 2])) != write(tmp_path / "b", parts(window=[1, 3]))


def test_an_explanation_names_features_and_sums_to_the_raw_score(folder: Path) -> None:
    row = vectors(20, seed=9)[3]
    explained = load(folder).explain(row)
    raw = float(np.asarray(booster(1).predict(row[None], raw_score=True))[0])
    assert sum(explained["intent_buy"].values()) == pytest.approx(raw)
    assert set(explained["stage_loyalty"]) - {"base"} <= set(INDEX)
    assert explained["intent_help"].keys() == {"base"}


@pytest.mark.parametrize("name", ["manifest.json", "stage.txt", "calibration.npz", "items.npz"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert reason(folder) == "missing"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path / "nowhere") == "missing"


def test_a_bundle_from_before_there_was_the_cart_intent_says_to_train_again(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite(folder, files={name: checksum for name, checksum in files.items() if name != "intent_cart.txt"})
    with pytest.raises(InvalidBundle, match=r"missing: intent_cart\.txt .* train again"):
        load(folder)


@pytest.mark.parametrize("name", ["stage.txt", "calibration.npz", "items.npz", "intent_buy.txt"])
def test_a_changed_byte_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    assert reason(folder) == "checksum"


def test_another_feature_table_is_refused(folder: Path) -> None:
    rewrite(folder, features={"fingerprint": "000000000000", "count": 3})
    assert reason(folder) == "fingerprint"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "stage.txt/../x", "model.bin"])
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite(folder, files={**files, name: "0" * 64})
    assert reason(folder) == "name"


def test_a_model_left_out_of_the_manifest_is_refused(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite(folder, files={name: sha for name, sha in files.items() if name != "stage.txt"})
    assert reason(folder) == "missing"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 99}', '{"format": 1}'])
def test_a_manifest_of_another_form_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    assert reason(folder) == "manifest"


def test_a_pickle_beside_the_files_is_refused(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps({}))
    assert reason(folder) == "pickle"


def test_an_array_that_only_pickle_could_read_is_refused(folder: Path) -> None:
    path = folder / "aside.npz"
    np.savez(path, hashes=np.array([{"a": 1}], dtype=object))
    data = path.read_bytes()
    path.unlink()
    replace(folder, "items.npz", data)
    assert reason(folder) == "pickle"


def test_nan_in_an_array_is_refused(folder: Path) -> None:
    with np.load(folder / "items.npz") as archive:
        arrays = dict(archive)
    arrays["popularity"] = np.full_like(arrays["popularity"], np.nan)
    path = folder / "aside.npz"
    np.savez(path, **arrays)
    data = path.read_bytes()
    path.unlink()
    replace(folder, "items.npz", data)
    assert reason(folder) == "array"


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_an_archive_that_is_none_is_refused(folder: Path, data: bytes) -> None:
    replace(folder, "calibration.npz", data)
    assert reason(folder) in ("array", "pickle")


def test_a_damaged_model_is_refused(folder: Path) -> None:
    replace(folder, "stage.txt", (folder / "stage.txt").read_bytes()[:5000])
    assert reason(folder) == "model"


def test_a_model_of_the_wrong_kind_is_refused(folder: Path) -> None:
    replace(folder, "stage.txt", (folder / "intent_buy.txt").read_bytes())
    assert reason(folder) == "model"


def test_a_bundle_whose_figures_are_not_numbers_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "bundle", parts(figure=float("nan")))


def test_a_calibration_of_the_wrong_width_is_not_written(tmp_path: Path) -> None:
    good = parts()
    broken = {**good.calibrations, "intent_buy": Calibration.identity(2)}
    with pytest.raises(InvalidBundle, match="model"):
        write(tmp_path / "bundle", type(good)(good.models, broken, good.items, good.about))


def test_a_bundle_written_over_another_leaves_none_of_it(tmp_path: Path) -> None:
    write(tmp_path / "bundle", parts())
    plain = parts()
    constant = {**plain.models, "intent_leave": np.array([0.5])}
    identifier = write(tmp_path / "bundle", type(plain)(constant, plain.calibrations, plain.items, plain.about))
    assert not (tmp_path / "bundle" / "intent_leave.txt").exists()
    assert load(tmp_path / "bundle").id == identifier


def test_a_bundle_behind_an_address_loads_as_well() -> None:
    identifier = write("memory://bundles/one", parts())
    assert load("memory://bundles/one").id == identifier
