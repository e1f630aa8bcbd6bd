from __future__ import annotations

import psycopg
import pytest
from mt_paas.utils.security import derive_token, digest_token, equal, mint_token, scram_sha256
from psycopg import sql


class TestTokens:
    def test_a_minted_one_is_new_each_time(self):
        assert mint_token("mtk_") != mint_token("mtk_")
        assert mint_token("mtk_").startswith("mtk_")

    def test_a_digest_does_not_hold_the_token(self):
        token = mint_token("mtk_")

        assert token not in digest_token(token)
        assert digest_token(token) == digest_token(token)

    def test_a_derived_one_is_the_same_each_time(self):
        assert derive_token("secret", "role", "hallym") == derive_token("secret", "role", "hallym")

    @pytest.mark.parametrize(
        "other",
        [
            ("other", "role", "ab", "c"),
            ("secret", "link", "ab", "c"),
            ("secret", "role", "a", "bc"),
            ("secret", "role", "abc"),
        ],
    )
    def test_a_derived_one_is_another_for_another_secret_purpose_or_part(self, other):
        assert derive_token("secret", "role", "ab", "c") != derive_token(*other)

    def test_texts_that_are_no_ascii_can_be_compared(self):
        assert equal("한림", "한림")
        assert not equal("한림", "한림대")


class TestScram:
    def test_is_what_postgresql_computes(self, postgres_server, fresh_database):
        """PostgreSQL 15 names the test vector: the same salt and password give the same verifier."""
        password, role = "a-password", fresh_database.rpartition("/")[2]
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
            (stored,) = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]).fetchone()
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        salt = psycopg_salt(stored)

        assert scram_sha256(password, salt=salt) == stored

    def test_has_a_new_salt_each_time(self):
        assert scram_sha256("a-password") != scram_sha256("a-password")


def psycopg_salt(verifier: str) -> bytes:
    from base64 import b64decode

    return b64decode(verifier.split("$")[1].partition(":")[2])
