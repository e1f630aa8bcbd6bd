"""What every request passes through before a room sees it: id, failures, size, and who sends it. Pure ASGI."""
