"""Settings and security primitives: what every other part of mt_paas may use, and what uses none of them."""
