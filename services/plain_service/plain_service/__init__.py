"""Notes, one SQLite file a tenant, by the contract alone: no mt_paas in it."""
