"""The Standard API v1, spoken over real HTTP to both services: the one on mt_paas, and the one on the contract alone.

They are served in this process, so that the tests can move their clock; each has one server for all tests of a file.
"""
