"""Simulated daily peeking: looks go back in time, a z-test errs often in it and ours seldom, a lift is found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from load_tests.peeking import NEVER, Shop, made, run, wilson
from load_tests.peeking_log import main
from tests.training.lifting import START_MS, Made, lift_lake

SMALL = Shop("small", 4000, 0.05, 0.5)


def test_a_look_sees_what_had_happened_by_then() -> None:
    shop = made(replace(SMALL, rate=0.2), 28, np.random.default_rng(1))
    early, late = shop.as_of(5), shop.as_of(27)
    n = len(early)
    assert n < len(late)
    assert not (early.bought & ~late.bought[:n]).any()
    assert (late.bought[:n] & ~early.bought).any(), "some buy later"
    assert (late.revenue[:n] < early.revenue).any(), "some send it back"
    assert late.bought.mean() == pytest.approx(0.2, abs=0.03)
    assert shop.bought_day[~late.bought].min() > 27 and NEVER > 27


def test_peeking_fools_a_z_test_and_not_ours() -> None:
    found = run(SMALL, 40, 28, 3)
    assert found["any"]["share"] <= 0.1
    assert found["z conversion"]["share"] > 0.1
    assert found["start"]["share"] == 1.0


def test_a_large_lift_is_found() -> None:
    found = run(replace(SMALL, lift=1.0), 10, 28, 3)
    assert found["conversion"]["share"] == 1.0 and found["median_day"] < 28


def test_wilson_s_interval_is_the_published_one() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_a_real_log_is_cut_by_many_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = lift_lake(tmp_path, Made(visitors=1500))
    since = str(START_MS + 86_400_000)
    options = ["--lake", str(lake), "--shop", "s", "--since", since, "--holdout", ".5", "--hashes", "20"]
    monkeypatch.setattr("sys.argv", ["peeking_log", *options])
    main()
    told = capsys.readouterr().out
    assert told.startswith("s: 1,500 visitors, 6 looks, holdout 50%, 20 hashes: conversion 0.0 [0.0, 16.1]; z conv")
