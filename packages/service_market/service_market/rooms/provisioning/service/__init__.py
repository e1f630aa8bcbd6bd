"""Use cases of provisioning: starting operations, and the runner that carries them out step by step."""
