"""Korean of its own: particles that fit the word before them, and what the market's error words mean.

A particle has two forms, by whether the word before it ends in a consonant as it is read: 서비스를, 마켓을. A template
names both in the placeholder, ``{service:을/를}``, and the word picks.
"""

from __future__ import annotations

__all__ = ["MEANINGS", "Korean"]

_SYLLABLES = range(ord("가"), ord("힣") + 1)
_FINALS, _RIEUL = 28, 8  # forms of a syllable that differ in the final consonant, and which of them is ㄹ
#: Digits and letters whose names end in a consonant (영, 일, 삼, 육, 칠, 팔; 엘, 엠, 엔, 알), and in ㄹ among them.
_CLOSED, _LIQUID = frozenset("013678lmnr"), frozenset("178lr")


class Korean(str):
    """A value in a Korean template: ``{name:을/를}`` is the value and the particle that fits it."""

    __slots__ = ()

    def __format__(self, particles: str) -> str:
        """Return the value with the particle; ``particles`` is the form after a consonant, a slash, the other form."""
        after_consonant, slash, after_vowel = particles.partition("/")
        if not slash:
            return format(str(self), particles)
        closed, liquid = _end_of(self)
        if liquid and after_consonant == "으로":
            closed = False
        return f"{self}{after_consonant if closed else after_vowel}"


def _end_of(word: str) -> tuple[bool, bool]:
    """Return whether the word ends in a consonant as it is read, and whether that is ㄹ."""
    last = next((letter for letter in reversed(word.lower()) if letter.isalnum()), "")
    if last and ord(last) in _SYLLABLES:
        final = (ord(last) - _SYLLABLES.start) % _FINALS
        return final > 0, final == _RIEUL
    return last in _CLOSED, last in _LIQUID


#: What the market's error words mean. The market's own sentence, which names what it is about, follows in parentheses.
MEANINGS = {
    "already_subscribed": "이미 이 서비스를 구독하고 있습니다",
    "answer_not_kept": "이미 처리한 요청이며, 비밀이 든 응답은 한 번만 보여 줍니다",
    "body_too_large": "보낸 내용이 너무 큽니다",
    "busy": "다른 요청이 쓰고 있습니다. 다시 시도하세요",
    "conflict": "지금 상태와 맞지 않습니다",
    "data_not_preserved": "데이터를 남기지 않고 닫아 되살릴 수 없습니다",
    "forbidden": "이 토큰으로는 할 수 없습니다",
    "gone": "더 이상 없습니다",
    "idempotency_key_reused": "이 Idempotency-Key는 다른 요청에 이미 썼습니다",
    "illegal_transition": "이 상태에서는 그렇게 바꿀 수 없습니다",
    "internal_error": "마켓이 응답하다 멈췄습니다. 요청 ID로 로그를 찾을 수 있습니다",
    "invalid": "쓸 수 없는 값입니다",
    "invalid_body": "보낸 내용에 잘못된 곳이 있습니다",
    "invalid_cursor": "이 목록의 커서가 아닙니다",
    "invalid_plan": "이 서비스에 없는 요금제입니다",
    "invalid_token": "이 역할의 토큰에 필요한 것이 없거나 맞지 않습니다",
    "manifest_invalid": "매니페스트에 잘못된 곳이 있습니다",
    "method_not_allowed": "이 주소에서 쓸 수 없는 메서드입니다",
    "not_found": "이 주소에는 아무것도 없습니다",
    "operation_in_progress": "이 테넌트에서 다른 작업이 진행 중입니다",
    "operation_not_found": "그런 작업이 없습니다",
    "organization_exists": "이 슬러그의 기관이 이미 있습니다",
    "organization_not_found": "그런 기관이 없습니다",
    "reactivation_deadline_passed": "되살릴 수 있는 기한이 지났습니다",
    "service_not_found": "카탈로그에 그런 서비스가 없습니다",
    "service_not_listed": "목록에 오르지 않은 서비스라 구독할 수 없습니다",
    "service_of_another_vendor": "다른 공급자의 서비스입니다",
    "setup_link_taken": "설정 링크를 이미 받았거나 기한이 지났거나 서비스가 보내지 않았습니다",
    "signature_invalid": "이벤트의 서명이 맞지 않거나 보낸 지 너무 오래되었습니다",
    "subscription_not_active": "구독이 끝났습니다. 먼저 갱신하세요",
    "subscription_not_found": "그런 구독이 없습니다",
    "tenant_forbidden": "다른 테넌트의 콜백입니다. 콜백으로는 자기 테넌트만 알릴 수 있습니다",
    "tenant_id_taken": "이미 쓰이고 있거나 쓰인 적이 있는 테넌트 ID입니다",
    "tenant_in_wrong_state": "지금 상태의 테넌트에는 할 수 없습니다",
    "tenant_not_found": "그런 테넌트가 없습니다",
    "term_too_long": "그렇게 먼 날까지 구독할 수 없습니다",
    "token_expired": "토큰이 만료되었습니다. 새 토큰을 받으세요",
    "token_not_found": "그런 토큰이 없습니다",
    "token_revoked": "폐기된 토큰입니다. 새 토큰을 받으세요",
    "token_unknown": "이 마켓이 모르는 토큰입니다. 일부가 빠졌거나 다른 마켓의 토큰입니다",
    "unauthenticated": "토큰이 필요합니다",
    "unavailable": "마켓에 필요한 것이 응답하지 않습니다. 잠시 뒤 다시 시도하세요",
}
