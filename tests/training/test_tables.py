"""Tables hold the figures with their intervals, whatever is missing."""

from tact.tables import as_markdown, sheets
from training.evaluate import Evaluation


def markdown_of(figures: dict[str, object]) -> str:
    return as_markdown({"shop": "s", "test_shop": "s", **figures})


def test_every_baseline_stands_beside_ours_with_its_interval(evaluation: Evaluation) -> None:
    text = markdown_of(evaluation.figures)
    buy = evaluation.figures["intent"]["buy"]
    low, high = buy["average_precision_ci"]
    assert f"{buy['average_precision']:.3f} [{low:.3f}, {high:.3f}]" in text
    plain = buy["baselines"]["plain_trees"]
    assert f"| LightGBM, 25 features | {plain['auc']:.3f} [" in text
    ahead = buy["ahead"]["plain_trees"]
    assert f"{ahead['average_precision']:+.3f} [" in text
    for title in ("### Stage", "### Next milestone", "### Early warning, leave", "### Recommendations, frozen"):
        assert title in text


def test_tables_are_markdown_with_as_many_cells_in_every_line(evaluation: Evaluation) -> None:
    for sheet in sheets(evaluation.figures):
        lines = [line for line in sheet.markdown().splitlines() if line.startswith("|")]
        assert len({line.count(" | ") for line in lines}) == 1, sheet.title
        assert "HR@20" in sheet.head or not sheet.title.startswith("Recommendations")


def test_figures_that_are_not_there_are_dashes_with_the_reason_in_the_title(evaluation: Evaluation) -> None:
    one = {**evaluation.figures["intent"]["help"], "auc": None, "auc_ci": None, "reason": "no positives"}
    text = markdown_of({**evaluation.figures, "intent": {"help": one}})
    assert "not judged: no positives" in text and "| **Tact** | – |" in text


def test_parts_that_were_not_asked_for_are_left_out(evaluation: Evaluation) -> None:
    only = {key: value for key, value in evaluation.figures.items() if key not in ("recommend", "intent")}
    text = markdown_of(only)
    assert "### Stage" in text and "Recommendations" not in text and "### Intent" not in text
