"""Notes, one notebook a tenant: the shortest service that a market can sell."""
