"""Making tenants real, and unmaking them: operations, the sagas that they run, and the driver that calls a service."""
