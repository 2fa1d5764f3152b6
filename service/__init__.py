"""I/O, online: the HTTP service, the recorder and the learner. Knows features and models, never training."""
