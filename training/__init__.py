"""I/O, offline: from the event lake to models and figures. Knows features and models, never service."""
