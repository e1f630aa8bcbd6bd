"""What every request passes through before a room sees it: its id, its size, and who sends it. Pure ASGI."""
