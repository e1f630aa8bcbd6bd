"""Users' side of the house: organizations, roles and permissions, and the API tokens by which they call."""
