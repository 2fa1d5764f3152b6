"""Rules that ask for a persona, on a running service: from the tail it reads, and kept for the replay."""

from pathlib import Path

import numpy as np

from models.persona import Personas
from models.persona_files import publish
from models.persona_traits import N_TRAITS, VISITS
from tests.service.shop import POLICY, SHOP, make_shop, running

ASKS = POLICY.replace("when: session.views >= 2.0", 'when: visitor.persona == "looker"')


def test_a_rule_that_asks_for_a_persona_holds_once_the_visitor_has_it(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url, policy=ASKS)
    weight = np.zeros(N_TRAITS)
    weight[VISITS] = 1.0
    centres = np.zeros((2, N_TRAITS))
    centres[1, VISITS] = 3.0
    publish(
        shop.settings.lake,
        Personas(SHOP, ("looker", "returner"), np.zeros(N_TRAITS), np.ones(N_TRAITS), weight, centres),
    )
    with running(shop) as live:
        page = {"page_type": "product", "item_id": "a"}
        said = [live.decide(visitor_id="p1", placements=["global.chat"], context=page) for _ in range(3)]
        assert [one["placements"]["global.chat"]["action"] for one in said] == [None, None, "may_we_help"]
        last = said[-1]["decision_id"]
        live.wait(lambda: live.secret.get(f"/v1/decisions/{last}").status_code == 200)
        assert live.secret.get(f"/v1/decisions/{last}").json()["inputs"]["persona"] == "looker"
        publish(shop.settings.lake, Personas(SHOP, ("x", "y"), np.zeros(N_TRAITS), np.ones(N_TRAITS), weight, centres))
        live.wait(lambda: (live.service.watcher.get(SHOP).personas or Personas).names == ("x", "y"))
        assert (
            live.decide(visitor_id="p1", placements=["global.chat"], context=page)["placements"]["global.chat"][
                "action"
            ]
            is None
        )
        assert live.secret.post(f"/v1/decisions/{last}/replay").json()["identical"] is True
