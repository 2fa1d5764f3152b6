"""The limits on the page are the code's."""

from pathlib import Path

from tests.docs.test_service_pages import table
from training import overlap, promotion
from training.off_policy import ESTIMATORS

PAGE = (Path(__file__).parents[2] / "docs" / "off-policy.md").read_text()


def test_every_limit_below_which_nothing_is_said_is_on_the_page() -> None:
    assert [row[1] for row in table(PAGE, "limit | value | why")] == [
        f"{overlap.MIN_ESS:,.0f}",
        f"{overlap.MIN_SHARE:.0%}",
        f"{overlap.MAX_ROW:.0%}",
        f"{overlap.MIN_VISITORS:.0f}",
        f"{overlap.MIN_REWARDED}",
        f"{overlap.MAX_UNSUPPORTED:.0%}",
        f"{overlap.MEAN_WEIGHT_OFF:.0%} and {overlap.MEAN_WEIGHT_ERRORS:.0f} standard errors",
    ]


def test_every_estimator_is_on_the_page() -> None:
    assert [row[0].strip("`") for row in table(PAGE, "name | value | source")] == list(ESTIMATORS)


def test_the_margin_of_a_promotion_is_on_the_page() -> None:
    assert f"below −{promotion.MARGIN * 100:.0f} % of the live policy's value" in " ".join(PAGE.split())
