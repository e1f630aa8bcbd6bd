"""The outside world behind the rooms' Protocols."""
