"""The domain, one folder a room. A room imports only rooms below it, and only their ``public``; see ARCHITECTURE.md."""
