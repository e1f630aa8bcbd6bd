"""Metering: what tenants used, as their services report it."""
