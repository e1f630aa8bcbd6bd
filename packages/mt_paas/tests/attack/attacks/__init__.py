"""Tenants that attack each other: a world of them, what they send, and the machine that looks for leaks."""

from __future__ import annotations

from attacks.machine import Leak, Machine, Move, random_program
from attacks.world import KINDS, Victim, World, open_world

__all__ = ["KINDS", "Leak", "Machine", "Move", "Victim", "World", "open_world", "random_program"]
