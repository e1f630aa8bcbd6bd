"""The contract between a market and a service: models, manifest, handler, router, and the caller's side."""
