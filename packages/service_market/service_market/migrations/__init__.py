"""The management database's schema, step by step, and the one way to bring a database to its head."""
