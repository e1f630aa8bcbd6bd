"""The registry of tenants: who has which, in which state, and every step that led there."""
