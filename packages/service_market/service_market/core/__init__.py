"""The kernel that every room stands on: from the database to the clock."""
