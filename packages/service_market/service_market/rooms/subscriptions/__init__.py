"""Subscriptions: who agreed to use which service, on which plan, until when."""
