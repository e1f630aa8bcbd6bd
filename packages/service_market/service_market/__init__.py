"""The market: catalogue, subscriptions, tenants and their provisioning, behind one REST API."""
