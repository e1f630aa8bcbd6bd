"""Settings, security primitives, names loaded late: what all of mt_paas may use, and what uses none of it."""
