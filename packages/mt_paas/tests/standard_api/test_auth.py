from __future__ import annotations

import pytest
from mt_paas.errors import ConfigurationError, InvalidApiKey
from mt_paas.standard_api.auth import ApiKeys


def came(*values: str, **headers: str):
    """Return what a request's headers answer: ``values`` in the usual header, others by their name."""
    given = {"X-Market-API-Key": list(values)} if values else {}
    given |= {name.replace("_", "-"): [value] for name, value in headers.items()}
    return lambda name: given.get(name, [])


OLD, NEW = "an-old-key-of-the-market", "a-new-key-of-the-market!"


class TestCheck:
    def test_a_known_key_is_accepted(self):
        ApiKeys([OLD]).check(came(OLD))

    @pytest.mark.parametrize("key", [OLD, NEW])
    def test_both_keys_are_accepted_while_one_replaces_the_other(self, key):
        ApiKeys([OLD, NEW]).check(came(key))

    @pytest.mark.parametrize("presented", ["", "x", OLD[:-1], OLD + "x", OLD.upper(), "\xff" * 20, f"Bearer {OLD}"])
    def test_another_key_is_refused(self, presented):
        with pytest.raises(InvalidApiKey, match="not one that this service knows"):
            ApiKeys([OLD]).check(came(presented))

    def test_a_missing_key_is_refused_with_the_name_of_the_header(self):
        with pytest.raises(InvalidApiKey, match="send it in the header X-Key"):
            ApiKeys([OLD], header="X-Key").check(came(OLD))

    def test_two_values_are_refused_even_when_both_are_right(self):
        with pytest.raises(InvalidApiKey, match="came 2 times"):
            ApiKeys([OLD]).check(came(OLD, OLD))

    def test_in_authorization_the_key_is_a_bearer_token(self):
        keys = ApiKeys([OLD], header="authorization")
        keys.check(came(authorization=f"Bearer {OLD}"))
        keys.check(came(authorization=f"bearer  {OLD}"))
        for wrong in (OLD, f"Basic {OLD}", "Bearer", f"Bearer {NEW}"):
            with pytest.raises(InvalidApiKey):
                keys.check(came(authorization=wrong))

    def test_a_refusal_says_how_to_authenticate(self):
        with pytest.raises(InvalidApiKey) as refusal:
            ApiKeys([OLD]).check(came())
        assert refusal.value.headers == {"WWW-Authenticate": 'ApiKey header="X-Market-API-Key"'}


class TestAliases:
    KEYS = ApiKeys([OLD, NEW], aliases=("X-Marketplace-Key", "X-API-Key", "x-market-api-key"))

    def test_a_header_is_an_alias_where_the_service_says_so(self):
        self.KEYS.check(came(X_API_Key=OLD))
        with pytest.raises(InvalidApiKey, match="is missing"):
            ApiKeys([OLD]).check(came(X_API_Key=OLD))

    def test_one_key_in_two_headers_is_one_key(self):
        self.KEYS.check(came(OLD, X_API_Key=OLD))

    def test_two_keys_are_refused_even_when_both_are_right(self):
        with pytest.raises(InvalidApiKey, match="Two different keys"):
            self.KEYS.check(came(OLD, X_API_Key=NEW))

    def test_a_wrong_key_beside_a_right_one_is_refused(self):
        for presented in (came(OLD, X_API_Key="x"), came("x", X_API_Key=OLD), came(OLD, X_API_Key="")):
            with pytest.raises(InvalidApiKey):
                self.KEYS.check(presented)

    def test_an_alias_that_is_the_header_is_none(self):
        assert self.KEYS.aliases == ("X-Marketplace-Key", "X-API-Key")

    def test_authorization_may_be_an_alias(self):
        ApiKeys([OLD], aliases=["Authorization"]).check(came(Authorization=f"Bearer {OLD}"))
        with pytest.raises(InvalidApiKey):
            ApiKeys([OLD], aliases=["Authorization"]).check(came(Authorization=OLD))

    @pytest.mark.parametrize("name", ["", "X Key", "X-Key:", "X-Key\r\nX", "키"])
    def test_what_is_no_header_is_refused(self, name):
        with pytest.raises(ConfigurationError, match="not the name of an HTTP header"):
            ApiKeys([OLD], aliases=[name])


class TestKeys:
    def test_without_a_key_there_is_no_service(self):
        with pytest.raises(ConfigurationError, match="needs the market's key"):
            ApiKeys([])

    @pytest.mark.parametrize(
        "key", ["", " ", "short", "a" * 40, "ababababababababab", "한림대학교" * 5, "a key with blanks in it"]
    )
    def test_a_key_that_can_be_guessed_or_not_be_sent_is_refused(self, key):
        with pytest.raises(ConfigurationError, match="make one with") as refusal:
            ApiKeys([OLD, key])
        assert not key.strip() or key not in str(refusal.value)

    def test_a_key_is_not_kept(self):
        assert OLD not in repr(vars(ApiKeys([OLD])))
