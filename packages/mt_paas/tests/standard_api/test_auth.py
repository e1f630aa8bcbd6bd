from __future__ import annotations

import pytest
from mt_paas.errors import ConfigurationError, InvalidApiKey
from mt_paas.standard_api.auth import ApiKeys

OLD, NEW = "an-old-key-of-the-market", "a-new-key-of-the-market!"


class TestCheck:
    def test_a_known_key_is_accepted(self):
        ApiKeys([OLD]).check([OLD])

    @pytest.mark.parametrize("key", [OLD, NEW])
    def test_both_keys_are_accepted_while_one_replaces_the_other(self, key):
        ApiKeys([OLD, NEW]).check([key])

    @pytest.mark.parametrize("presented", ["", "x", OLD[:-1], OLD + "x", OLD.upper(), "\xff" * 20, f"Bearer {OLD}"])
    def test_another_key_is_refused(self, presented):
        with pytest.raises(InvalidApiKey, match="not one that this service knows"):
            ApiKeys([OLD]).check([presented])

    def test_a_missing_key_is_refused_with_the_name_of_the_header(self):
        with pytest.raises(InvalidApiKey, match="send it in the header X-Key"):
            ApiKeys([OLD], header="X-Key").check([])

    def test_two_values_are_refused_even_when_both_are_right(self):
        with pytest.raises(InvalidApiKey, match="came 2 times"):
            ApiKeys([OLD]).check([OLD, OLD])

    def test_in_authorization_the_key_is_a_bearer_token(self):
        keys = ApiKeys([OLD], header="authorization")
        keys.check([f"Bearer {OLD}"])
        keys.check([f"bearer  {OLD}"])
        for wrong in (OLD, f"Basic {OLD}", "Bearer", f"Bearer {NEW}"):
            with pytest.raises(InvalidApiKey):
                keys.check([wrong])

    def test_a_refusal_says_how_to_authenticate(self):
        with pytest.raises(InvalidApiKey) as refusal:
            ApiKeys([OLD]).check([])
        assert refusal.value.headers == {"WWW-Authenticate": 'ApiKey header="X-Market-API-Key"'}


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
