"""A feature repository for Feast, made and filled by Feast's own Python: `python feast_repo.py FOLDER REDIS VISITORS`.

One entity, one feature view of 30 numbers, a feature service of them. Runs in Feast's venv: imports nothing of Tact.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

FEATURES = 30
CONFIG = """\
project: bench
provider: local
registry: {{path: {folder}/registry.db, cache_ttl_seconds: 0}}
online_store: {{type: redis, connection_string: "{redis}"}}
offline_store: {{type: file}}
entity_key_serialization_version: 3
"""


def make(folder: Path, redis: str, visitors: int) -> None:
    """The repository applied, its visitors written."""
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]  # Feast's venv has it, Tact's not
    from feast import (  # type: ignore[import-not-found]
        Entity,
        FeatureService,
        FeatureStore,
        FeatureView,
        Field,
        FileSource,
        ValueType,
    )
    from feast.types import Float32  # type: ignore[import-not-found]

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(CONFIG.format(folder=folder, redis=redis))
    names = [f"f{n}" for n in range(FEATURES)]
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(visitors, FEATURES)).astype("float32"), columns=names)
    table["visitor_id"] = [f"v{n}" for n in range(visitors)]
    table["event_timestamp"] = datetime.now(UTC)
    table.to_parquet(folder / "visitors.parquet")
    visitor = Entity(name="visitor", join_keys=["visitor_id"], value_type=ValueType.STRING)
    source = FileSource(path=str(folder / "visitors.parquet"), timestamp_field="event_timestamp")
    fields = [Field(name=name, dtype=Float32) for name in names]
    view = FeatureView(name="visitors", entities=[visitor], ttl=timedelta(days=1), schema=fields, source=source)
    store = FeatureStore(repo_path=str(folder))
    store.apply([visitor, view, FeatureService(name="bench", features=[view])])
    store.write_to_online_store("visitors", table)


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]))
