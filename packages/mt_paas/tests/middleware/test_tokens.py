"""Tokens of an issuer: good ones, and hostile ones."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import warnings
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OctKey, RSAKey
from mt_paas.errors import InvalidToken, ServiceNotReady, TenantUnclear
from mt_paas.middleware.key_sets import SharedSecret

ISSUER = "https://login.example"
MOMENT = int(datetime(2026, 3, 1, 9, tzinfo=UTC).timestamp())


def part(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(token: str, sign, **header) -> str:
    """Return the token with another header, signed by what the library would not sign with."""
    signed = f"{part(header)}.{token.split('.')[1]}"
    return f"{signed}.{part(sign(signed.encode()))}"


def rs256(key):
    return lambda text: key.private_key.sign(text, PKCS1v15(), SHA256())


class TestGoodTokens:
    @pytest.mark.parametrize(("key", "algorithm"), [("rsa", "RS256"), ("ec", "ES256")])
    async def test_each_kind_of_signature(self, issuer, tokens, key, algorithm):
        principal = await tokens.verify(issuer.token(getattr(issuer, key), algorithm, scope="notes:read notes:write"))

        assert (principal.kind, principal.subject, principal.tenant_id) == ("token", "kim", "hallym_univ")
        assert principal.may("notes:write")
        assert not principal.may("notes:delete")

    async def test_ed25519_by_the_name_that_issuers_know(self, issuer, tokens):
        token = forge(issuer.token(), issuer.ed.private_key.sign, alg="EdDSA", kid="ed-1")

        assert (await tokens.verify(token)).subject == "kim"

    async def test_its_keys_are_fetched_once_for_many(self, issuer, tokens):
        await asyncio.gather(*[tokens.verify(issuer.token(sub=f"user-{number}")) for number in range(10)])

        assert issuer.asked == 1

    async def test_without_a_key_id_if_only_one_key_fits(self, issuer, tokens):
        assert (await tokens.verify(issuer.token(issuer.ec, "ES256", header={"kid": None}))).subject == "kim"

    async def test_an_audience_among_several(self, issuer, tokens):
        assert (await tokens.verify(issuer.token(aud=["others", "notes"]))).subject == "kim"

    async def test_one_that_names_no_tenant_names_none(self, issuer, tokens):
        assert (await tokens.verify(issuer.token(tenant_id=None))).tenant_id is None

    async def test_clocks_may_differ_a_little(self, issuer, tokens):
        assert (await tokens.verify(issuer.token(exp=MOMENT - 29, nbf=MOMENT + 29))).subject == "kim"

    async def test_a_shared_secret_verifies_hs256(self, issuer, make_tokens):
        secret = "a-secret-of-both-0123456789-0123456789"
        tokens = make_tokens(keys=SharedSecret(secret), algorithms=["HS256"])

        principal = await tokens.verify(issuer.token(OctKey.import_key(secret), "HS256"))

        assert principal.tenant_id == "hallym_univ"
        with pytest.raises(InvalidToken):
            await tokens.verify(issuer.token())

    async def test_what_was_verified_is_remembered_until_it_ends(self, issuer, tokens, clock):
        token = issuer.token(exp=MOMENT + 60)

        first = await tokens.verify(token)
        again = await tokens.verify(token)
        first.tenant_id = "other_univ"  # a request that changes its own, changes nobody else's
        third = await tokens.verify(token)
        clock.move(minutes=3)

        assert again == third
        with pytest.raises(InvalidToken, match="expired_token"):
            await tokens.verify(token)


class TestHostileTokens:
    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "others"},
            {"aud": None},
            {"aud": []},
            {"iss": "https://evil.example"},
            {"iss": None},
            {"iss": [ISSUER]},
            {"exp": MOMENT - 31},
            {"exp": None},
            {"exp": "tomorrow"},
            {"exp": float("inf")},
            {"exp": True},
            {"nbf": MOMENT + 31},
            {"iat": MOMENT + 31},
            {"sub": 5},
        ],
        ids=str,
    )
    async def test_claims_that_do_not_fit(self, issuer, tokens, claims):
        with pytest.raises(InvalidToken):
            await tokens.verify(issuer.token(**claims))

    async def test_no_signature(self, issuer, tokens):
        header, payload, _ = issuer.token().split(".")
        bare = f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{payload}."

        for token in (bare, f"{part({'kid': 'rsa-1'})}.{payload}.", f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
            with pytest.raises(InvalidToken):
                await tokens.verify(token)

    @pytest.mark.parametrize("algorithms", [["RS256"], ["RS256", "HS256"]])
    async def test_a_public_key_used_as_a_secret(self, issuer, make_tokens, algorithms):
        tokens = make_tokens(algorithms=algorithms)
        for secret in (issuer.rsa.as_pem(private=False), json.dumps(issuer.shown[0]).encode()):
            token = forge(
                issuer.token(), lambda text, key=secret: hmac.digest(key, text, "sha256"), alg="HS256", kid="rsa-1"
            )
            with pytest.raises(InvalidToken):
                await tokens.verify(token)

    async def test_a_secret_that_a_key_set_shows_is_not_taken(self, issuer, make_tokens):
        secret = OctKey.import_key("known-to-everybody-0123456789-0123456789", {"kid": "oct-1"})
        issuer.shown.append(secret.as_dict(private=True))

        with pytest.raises(InvalidToken):
            await make_tokens(algorithms=["HS256", "RS256"]).verify(issuer.token(secret, "HS256"))

    async def test_an_algorithm_that_is_not_taken(self, issuer, make_tokens):
        with pytest.raises(InvalidToken):
            await make_tokens(algorithms=["ES256"]).verify(issuer.token())

    async def test_an_algorithm_that_the_key_is_not_for(self, issuer, make_tokens):
        issuer.shown = [issuer.rsa.as_dict(private=False) | {"alg": "RS512"}]

        with pytest.raises(InvalidToken):
            await make_tokens(algorithms=["RS256", "RS512"]).verify(issuer.token())

    async def test_a_key_for_encryption(self, issuer, tokens):
        issuer.shown = [issuer.rsa.as_dict(private=False) | {"use": "enc"}, *issuer.shown[1:]]

        with pytest.raises(InvalidToken):
            await tokens.verify(issuer.token())

    async def test_another_key_of_the_same_name(self, issuer, tokens):
        forged = RSAKey.generate_key(2048, {"kid": "rsa-1"})

        with pytest.raises(InvalidToken):
            await tokens.verify(issuer.token(forged))

    async def test_a_key_that_the_token_brings_along(self, issuer, tokens):
        forged = ECKey.generate_key("P-256", {"kid": "ec-1"})
        header = {"jwk": forged.as_dict(private=False), "jku": issuer.url}

        with pytest.raises(InvalidToken):
            await tokens.verify(issuer.token(forged, "ES256", header=header))

    @pytest.mark.parametrize(
        "key_id", ["nobody", "../../../../dev/null", "' OR 1=1 --", "a\nb", "x" * 201, "", 5, ["rsa-1"]], ids=repr
    )
    async def test_a_key_id_that_nobody_has(self, issuer, tokens, key_id):
        _, payload, signature = issuer.token().split(".")

        with pytest.raises(InvalidToken):
            await tokens.verify(f"{part({'alg': 'RS256', 'kid': key_id})}.{payload}.{signature}")

    async def test_a_claim_that_was_changed(self, issuer, tokens):
        header, payload, signature = issuer.token().split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))

        with pytest.raises(InvalidToken):
            await tokens.verify(f"{header}.{part(claims | {'tenant_id': 'other_univ'})}.{signature}")

    async def test_one_of_another_use(self, issuer, tokens):
        for kind in ("logout+jwt", "dpop+jwt", 5):
            token = forge(issuer.token(), rs256(issuer.rsa), alg="RS256", kid="rsa-1", typ=kind)
            with pytest.raises(InvalidToken, match="another type"):
                await tokens.verify(token)

    async def test_headers_that_nobody_knows_are_passed_over(self, issuer, tokens):
        token = forge(issuer.token(), rs256(issuer.rsa), alg="RS256", kid="rsa-1", typ="at+jwt", x5t="abc", unknown=[1])

        assert (await tokens.verify(token)).subject == "kim"

    async def test_extensions_that_are_critical(self, issuer, tokens):
        _, payload, signature = issuer.token().split(".")
        header = part({"alg": "RS256", "kid": "rsa-1", "crit": ["b64"], "b64": False})

        with pytest.raises(InvalidToken):
            await tokens.verify(f"{header}.{payload}.{signature}")

    @pytest.mark.parametrize(
        "token",
        ["", ".", "..", "a.b", "a.b.c.d.e", "e30.e30.e30", "\x00.é.\x00", "é" * 50, "[" * 900 + "..", "W10.W10.W10"],
    )
    async def test_what_is_no_token(self, tokens, token):
        with pytest.raises(InvalidToken):
            await tokens.verify(token)

    async def test_one_that_is_huge(self, issuer, tokens):
        with pytest.raises(InvalidToken, match="longer"):
            await tokens.verify(issuer.token(filler="x" * 20_000))
        with pytest.raises(InvalidToken):
            await tokens.verify(forge(issuer.token(), rs256(issuer.rsa), alg="RS256", kid="rsa-1", unknown="x" * 5000))
        assert issuer.asked == 0

    @pytest.mark.parametrize("tenant", ["../etc", "", "UPPER", 5, ["hallym_univ"], {"a": 1}], ids=repr)
    async def test_a_tenant_that_is_none(self, issuer, tokens, tenant):
        with pytest.raises(TenantUnclear) as told:
            await tokens.verify(issuer.token(tenant_id=tenant))

        assert "etc" not in told.value.message

    async def test_a_weak_key_is_not_taken(self, issuer, make_tokens):
        with warnings.catch_warnings(action="ignore"):
            weak = RSAKey.generate_key(1024, {"kid": "weak"})
        issuer.shown.append(weak.as_dict(private=False))

        with pytest.raises(InvalidToken):
            await make_tokens().verify(forge(issuer.token(), rs256(weak), alg="RS256", kid="weak"))


class TestKeysOfTheIssuer:
    async def test_a_new_key_is_fetched_when_a_token_names_it(self, issuer, tokens, seconds):
        await tokens.verify(issuer.token())
        new = ECKey.generate_key("P-256", {"kid": "ec-2"})
        issuer.shown.append(new.as_dict(private=False))
        seconds.now += 10

        assert (await tokens.verify(issuer.token(new, "ES256"))).subject == "kim"
        assert issuer.asked == 2

    async def test_invented_key_ids_do_not_become_requests_to_it(self, issuer, tokens, seconds):
        strangers = [ECKey.generate_key("P-256", {"kid": f"no-{number}"}) for number in range(5)]
        await tokens.verify(issuer.token())
        seconds.now += 10

        for stranger in strangers:
            with pytest.raises(InvalidToken):
                await tokens.verify(issuer.token(stranger, "ES256"))

        assert issuer.asked == 2

    async def test_old_keys_serve_while_it_is_away(self, issuer, tokens, seconds):
        await tokens.verify(issuer.token(sub="before"))
        issuer.status = 500
        seconds.now += 86_000

        assert (await tokens.verify(issuer.token(sub="during"))).subject == "during"

    async def test_but_not_for_ever(self, issuer, tokens, seconds):
        await tokens.verify(issuer.token(sub="before"))
        issuer.status = 500
        seconds.now += 86_401

        with pytest.raises(ServiceNotReady):
            await tokens.verify(issuer.token(sub="during"))

    async def test_while_it_never_answered_nobody_is_told_that_a_token_is_wrong(self, issuer, tokens, seconds):
        issuer.status = 503
        for _ in range(3):
            with pytest.raises(ServiceNotReady):
                await tokens.verify(issuer.token())
        assert issuer.asked == 1

        issuer.status = 200
        seconds.now += 10
        assert (await tokens.verify(issuer.token())).subject == "kim"

    async def test_a_key_that_it_takes_back_verifies_nothing_that_was_verified_before(self, issuer, tokens, seconds):
        token = issuer.token()
        await tokens.verify(token)
        issuer.shown = issuer.shown[1:]
        seconds.now += 601

        await tokens.verify(issuer.token(issuer.ec, "ES256"))  # begins the fetch, and does not wait for it
        await tokens._keys._fetching

        with pytest.raises(InvalidToken):
            await tokens.verify(token)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"not json",
            b"[]",
            b"{}",
            b'{"keys": {}}',
            b'{"keys": []}',
            b'{"keys": [5, null, {"kty": "none"}, {"kty": ["RSA"]}, {"kty": "RSA", "n": "", "e": ""}]}',
            b'{"keys": [' + b"{}," * 200 + b"{}]}",
            b"[" * 100_000,
            b" " * 300_000,
        ],
        ids=lambda answer: answer[:30].decode(),
    )
    async def test_an_answer_that_is_no_key_set_is_none(self, issuer, tokens, answer):
        issuer.answer = answer

        with pytest.raises(ServiceNotReady):
            await tokens.verify(issuer.token())

    async def test_keys_that_are_of_no_use_do_not_hide_the_others(self, issuer, tokens):
        issuer.shown = [
            {"kty": "RSA"},
            {"kty": "AKP", "kid": "x"},
            {"kid": 5, "kty": "EC", "crv": "P-256"},
            *issuer.shown,
        ]

        assert (await tokens.verify(issuer.token())).subject == "kim"

    async def test_closing_ends_a_fetch(self, issuer, make_tokens):
        issuer.waiting = asyncio.Event()
        tokens = make_tokens()
        waiting = asyncio.create_task(tokens.verify(issuer.token()))
        await issuer.arrived.wait()

        await tokens.close()

        with pytest.raises(asyncio.CancelledError):
            await waiting


class TestOverHttp:
    async def test_a_token_binds_its_tenant(self, start, issuer, tokens):
        client = await start(tokens=tokens)
        headers = {"Authorization": f"Bearer {issuer.token()}"}

        own = await client.get("/tell", headers=headers)
        foreign = await client.get("/tell", headers=headers | {"X-Tenant-ID": "other_univ"})

        assert (own.json()["tenant"], own.json()["principal"]) == ("hallym_univ", "kim")
        assert (foreign.status_code, foreign.json()["error"]) == (403, "tenant_forbidden")

    async def test_a_token_and_a_session_of_two_tenants_are_refused(self, start, issuer, tokens, directory):
        client = await start(tokens=tokens)
        cookie = {"Cookie": f"mt_session={directory.log_in('other_univ')}"}

        answer = await client.get("/tell", headers={"Authorization": f"Bearer {issuer.token()}"} | cookie)

        assert answer.status_code == 403

    async def test_a_token_of_no_tenant_does_not_make_a_name_count(self, start, issuer, tokens):
        client = await start(tokens=tokens)
        headers = {"Authorization": f"Bearer {issuer.token(tenant_id=None)}", "X-Tenant-ID": "hallym_univ"}

        told = (await client.get("/tell", headers=headers)).json()

        assert (told["principal"], told["tenant"]) == ("kim", None)
