"""No secret of a run is in what the simulator shows."""

from __future__ import annotations

import json

from mt_paas.simulator.masking import Mask


class TestMask:
    def test_the_key_and_tokens_are_masked_wherever_they_stand(self):
        mask = Mask("X-Market-API-Key", ["the-key"])
        mask.learn("the-token", "")
        assert mask.text("a the-key b the-token") == "a *** b ***"
        assert mask.headers([("X-Market-Api-Key", "x"), ("Authorization", "Bearer y"), ("Note", "the-key")]) == {
            "X-Market-Api-Key": "***",
            "Authorization": "***",
            "Note": "***",
        }

    def test_members_that_are_secret_by_their_name_are_masked_at_any_depth(self):
        body = {
            "callback": {"token": "t", "secret": "s", "events_url": "http://m.example/e"},
            "admin_credentials": {"temp_password": "p", "setup_url": "https://s.example/setup/abc?t=1"},
            "ai_tokens": 5,
            "items": [{"api_key": "k"}],
        }
        assert Mask("X").body(json.dumps(body).encode()) == {
            "callback": {"token": "***", "secret": "***", "events_url": "http://m.example/e"},
            "admin_credentials": {"temp_password": "***", "setup_url": "https://s.example/***"},
            "ai_tokens": 5,
            "items": [{"api_key": "***"}],
        }

    def test_what_is_no_json_is_text_and_a_long_body_is_cut(self):
        mask = Mask("X", ["the-key"])
        assert mask.body(b"<p>the-key</p>") == "<p>***</p>"
        assert mask.body(b"\xff\xfe") == "��"
        assert mask.body(b"") is None
        shown = mask.body(json.dumps({"a": "x" * 9000}).encode())
        assert len(shown) < 4100
        assert shown.endswith("bytes in all)")
