"""The tenants of one service: who they are, where they are in their life, and the database of each."""
