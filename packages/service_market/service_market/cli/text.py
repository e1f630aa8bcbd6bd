"""Everything that ``market`` says to people, in English and Korean. Help texts are English.

A message is a constant of this module, so a name that is not here is a type error. Words of the API (states, kinds,
steps, error words) are not translated: they are what one types after ``--state``, and what a colleague searches for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from service_market.cli.exits import ExitCode
from service_market.cli.korean import MEANINGS, Korean

__all__ = ["REFUSALS", "Language", "Message", "meaning", "speak", "spoken"]


class Language(StrEnum):
    """A language that ``market`` speaks."""

    ENGLISH = "en"
    KOREAN = "ko"


_chosen: list[Language] = []


def speak(language: Language | None) -> None:
    """Speak ``language`` from now on; with None, the one that the environment asks for."""
    _chosen[:] = [language] if language else []


def spoken() -> Language:
    """Return the language: the chosen one, else that of ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``, else English."""
    if _chosen:
        return _chosen[0]
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return Language.KOREAN if locale.lower().startswith("ko") else Language.ENGLISH


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence or a word, in both languages, with the same ``{placeholders}``."""

    en: str
    ko: str

    def __call__(self, **values: object) -> str:
        """Return it in the language that is spoken, with its placeholders filled."""
        if spoken() is Language.KOREAN:
            return self.ko.format(**{name: Korean(value) for name, value in values.items()})
        return self.en.format(**values)


def meaning(error: str, said: str) -> str:
    """Return what the market said, in Korean first where that is spoken and the error word is known."""
    known = MEANINGS.get(error) if spoken() is Language.KOREAN else None
    return f"{known} ({said})" if known else said


# --- failures ------------------------------------------------------------------------------------------------------

REFUSALS = {
    ExitCode.FAILED: Message("The market failed", "마켓에서 오류가 났습니다"),
    ExitCode.UNREACHABLE: Message("The market is not ready", "마켓이 준비되지 않았습니다"),
    ExitCode.NOT_ALLOWED: Message("Not allowed", "권한이 없습니다"),
    ExitCode.NOT_FOUND: Message("Not found", "찾을 수 없습니다"),
    ExitCode.CONFLICT: Message("Not possible now", "지금은 할 수 없습니다"),
    ExitCode.INVALID: Message("Not valid", "올바르지 않습니다"),
}
ERROR = Message("error", "오류")
UNREACHABLE = Message(
    "The market at {url} can not be reached ({why}). Is it running? Start it with: market up",
    "{url}의 마켓에 연결할 수 없습니다({why}). 실행 중인지 확인하고, 시작하려면: market up",
)
NOT_A_MARKET = Message(
    "What answers at {url} is not a market (status {status}).",
    "{url}에서 응답하는 것은 마켓이 아닙니다(상태 {status}).",
)
BAD_URL = Message(
    "{url} is not the address of a market; write http://host:port.",
    "{url:은/는} 마켓의 주소가 아닙니다. http://host:port 형식으로 쓰세요.",
)
NO_TOKEN = Message(
    "There is no token: give --token, set MARKET_TOKEN, or name the market's folder by --home "
    "({file} can not be read).",
    "토큰이 없습니다. --token이나 MARKET_TOKEN으로 주거나 --home으로 마켓의 폴더를 알려 주세요"
    "({file:을/를} 읽을 수 없습니다).",
)
BAD_TOKEN = Message(
    "That is not a token: it holds more than visible ASCII.", "토큰이 아닙니다. 보이는 ASCII 문자만 쓸 수 있습니다."
)
NO_KEY = Message(
    "The service's key is needed: give --key, or set MARKET_SERVICE_KEY.",
    "서비스 키가 필요합니다. --key로 주거나 MARKET_SERVICE_KEY를 설정하세요.",
)
KEY_PROMPT = Message("Key by which the market calls the service", "마켓이 서비스를 호출할 때 쓰는 키")
FILE_UNREADABLE = Message("{file} can not be read: {why}", "{file:을/를} 읽을 수 없습니다: {why}")
FAULTS = Message("{count} faults; nothing was registered.", "잘못된 곳이 {count}개 있어 등록하지 않았습니다.")
FAULT = Message("A fault; nothing was registered.", "잘못된 곳이 있어 등록하지 않았습니다.")
EXPECTED = Message("expected {what}", "필요한 것: {what}")
BAD_PAIR = Message(
    "{pair} is not a setting; write --config name=value.",
    "{pair:은/는} 설정이 아닙니다. --config 이름=값 형식으로 쓰세요.",
)
SERVICE_REJECTED = Message("{service} was rejected: {why}", "{service} 등록이 거부되었습니다: {why}")
NOT_ACCEPTED = Message("{service} stays listed as it was: {why}", "{service:은/는} 이전 버전 그대로입니다: {why}")
OPERATION_FAILED = Message("{kind} of {tenant} failed: {why}", "{tenant}의 {kind} 작업이 실패했습니다: {why}")
PURGE_NEEDS_YES = Message(
    "Purging {tenant} deletes its data for ever; say --yes to do it without being asked.",
    "{tenant:을/를} purge하면 데이터가 영구히 삭제됩니다. 묻지 않고 하려면 --yes를 붙이세요.",
)

# --- progress and results ------------------------------------------------------------------------------------------

WAITING_FOR = Message("waiting for {what}", "{what:을/를} 기다리는 중")
WATCHING = Message("{kind} of {tenant}, operation {id}", "{tenant}의 {kind} 작업 {id}")
NO_WORKER_YET = Message(
    "Nothing has happened for {seconds} s. Is a worker running? Start one with: market worker",
    "{seconds}초 동안 아무 일도 없습니다. 작업자가 실행 중인지 확인하세요. 시작하려면: market worker",
)
NOT_BEGUN = Message("it can not begin: {why}; looking again", "시작할 수 없습니다: {why}; 다시 확인합니다")
ATTEMPT_FAILED = Message("{why}; trying again", "{why}; 다시 시도합니다")
AGAIN = Message("trying again", "다시 시도합니다")
STEP_UNDONE = Message("{step}: taken back", "{step}: 되돌렸습니다")
STEP_NOT_UNDONE = Message("{step}: could not be taken back: {why}", "{step}: 되돌리지 못했습니다: {why}")
TRY_AGAIN = Message(
    "When the cause is put right, try it again with: {command}", "원인을 바로잡은 뒤 다시 시도하려면: {command}"
)
STILL_UNDER_WAY = Message(
    "It goes on in the market. To watch it: market operation show {id} --watch",
    "작업은 마켓에서 계속됩니다. 지켜보려면: market operation show {id} --watch",
)
STARTED = Message(
    "{kind} of {tenant} is under way. To watch it: market operation show {id} --watch",
    "{tenant}의 {kind} 작업이 진행 중입니다. 지켜보려면: market operation show {id} --watch",
)
SHOWN_OF = Message(
    "{shown} of {total} are shown; --limit shows more.",
    "{total}개 중 {shown}개를 표시했습니다. --limit으로 더 볼 수 있습니다.",
)
NOTHING = Message("There are none.", "없습니다.")
SURE_TO_PURGE = Message("Delete the data of {tenant} for ever?", "{tenant}의 데이터를 영구히 삭제할까요?")
TOKEN_ONCE = Message("This is the only time that the token is shown.", "토큰은 지금 한 번만 표시됩니다.")
LINK_ONCE = Message("This is the only time that the link is shown.", "링크는 지금 한 번만 표시됩니다.")
SWEPT = Message("Subscriptions that ended: {count}", "끝난 구독: {count}")
YES = Message("yes", "예")
NO = Message("no", "아니요")

# --- the server ----------------------------------------------------------------------------------------------------

LISTENING = Message("Service Market is at {url} (API: {url}/api/v1)", "Service Market 주소: {url} (API: {url}/api/v1)")
TOKEN_AT = Message("The operator's token is in {file}", "운영자 토큰 파일: {file}")
TOKEN_ASIDE = Message(
    "The token in {file} is not of this database. It is kept in {aside}, and a new one made: a home is for one "
    "database, give each its own by --home.",
    "{file}의 토큰은 이 데이터베이스의 것이 아닙니다. {aside}에 옮겨 두고 새로 만들었습니다. 홈 하나에는 데이터베이스 "
    "하나만 쓰고, 다른 것은 --home으로 나누세요.",
)
WITHOUT_WORKER = Message(
    "This process runs no worker; somewhere there must be one: market worker",
    "이 프로세스는 작업자를 실행하지 않습니다. 따로 실행하세요: market worker",
)
WORKING = Message("The worker runs. Ctrl-C ends it.", "작업자가 실행 중입니다. Ctrl-C로 끝냅니다.")
TO_END = Message("Ctrl-C ends it.", "Ctrl-C로 끝냅니다.")
STOPPED = Message("Stopped.", "종료했습니다.")
MIGRATED = Message("The schema went from {before} to {after}.", "스키마를 {before}에서 {after:으로/로} 올렸습니다.")
UP_TO_DATE = Message("The schema is at {after} already.", "스키마는 이미 {after}입니다.")
FORGOTTEN = Message(
    "Sealed values that were dropped: {count}. Register each service again.",
    "버린 암호화 값: {count}. 서비스를 각각 다시 등록하세요.",
)
SURE_TO_FORGET = Message(
    "Drop every service key, set-up link and call-back that the present secret key can not open?",
    "지금의 비밀 키로 열 수 없는 서비스 키와 설정 링크, 콜백을 모두 버릴까요?",
)
FORGETTING_NEEDS_YES = Message(
    "This drops the service keys and set-up links that the present secret key can not open; say --yes to do it without "
    "being asked.",
    "지금의 비밀 키로 열 수 없는 서비스 키와 설정 링크를 버립니다. 묻지 않고 하려면 --yes를 붙이세요.",
)
NO_SCHEMA = Message("nothing", "없음")
PORT_IN_USE = Message(
    "Port {port} of {host} is in use: choose another with --port, or end what uses it.",
    "{host}의 {port} 포트를 이미 쓰고 있습니다. --port로 다른 포트를 고르거나 쓰고 있는 프로그램을 끝내세요.",
)
CANNOT_LISTEN = Message(
    "Listening on {host}:{port} is not possible: {why}", "{host}:{port}에서 들을 수 없습니다: {why}"
)
NOT_A_SOCKET = Message("Descriptor {fd} is not a socket: {why}", "{fd}번 디스크립터는 소켓이 아닙니다: {why}")
BAD_SETTINGS = Message("The settings are not right: {faults}", "설정이 올바르지 않습니다: {faults}")
DATABASE_AWAY = Message("The database can not be used: {why}", "데이터베이스를 쓸 수 없습니다: {why}")
MAKE_DATABASE = Message("Make it first, with: createdb {name}", "먼저 만드세요: createdb {name}")
SCHEMA_NEWER = Message(
    "The database's schema is not one that this version of the market knows; use the version that made it, or a newer "
    "one.",
    "데이터베이스의 스키마를 이 버전의 마켓이 알지 못합니다. 그 스키마를 만든 버전이나 더 새 버전을 쓰세요.",
)
FILE_UNUSABLE = Message("{file} can not be used: {why}", "{file:을/를} 쓸 수 없습니다: {why}")

# --- column headers ------------------------------------------------------------------------------------------------

ID = Message("id", "ID")
SLUG = Message("slug", "슬러그")
NAME = Message("name", "이름")
KIND = Message("kind", "종류")
CREATED = Message("created", "생성")
ROLE = Message("role", "역할")
SERVICE = Message("service", "서비스")
PREFIX = Message("prefix", "앞부분")
EXPIRES = Message("expires", "만료")
REVOKED = Message("revoked", "폐기")
LAST_USED = Message("last used", "마지막 사용")
TOKEN = Message("token", "토큰")
STATE = Message("state", "상태")
REASON = Message("reason", "이유")
VERSION = Message("version", "버전")
VENDOR = Message("vendor", "공급자")
DESCRIPTION = Message("description", "설명")
PLAN = Message("plan", "요금제")
PLANS = Message("plans", "요금제")
ADDRESS = Message("address", "주소")
MANIFEST = Message("manifest", "매니페스트")
VERIFIED = Message("verified", "확인")
TENANT = Message("tenant", "테넌트")
MONTHS = Message("months", "개월")
FROM = Message("from", "시작")
UNTIL = Message("until", "종료")
FEATURES = Message("features", "기능")
CONFIG = Message("config", "설정")
ISOLATION = Message("isolation", "격리")
FAILURE = Message("failure", "실패 이유")
ORPHAN = Message("may be orphaned", "고아 가능성")
SETUP_UNTIL = Message("set-up link until", "설정 링크 기한")
DATA_KEPT = Message("data kept", "데이터 보존")
DEADLINE = Message("can come back until", "재활성화 기한")
REPORTED = Message("service reports", "서비스 보고")
ACTIVATED = Message("activated", "활성화")
DEACTIVATED = Message("deactivated", "비활성화")
WHEN = Message("when", "시각")
HAPPENED = Message("happened", "일어난 시각")
RECEIVED = Message("received", "받은 시각")
EVENT = Message("event", "이벤트")
SAID = Message("said", "내용")
TO = Message("to", "이후")
BEFORE = Message("from", "이전")
WHO = Message("by", "요청자")
OPERATION = Message("operation", "작업")
ATTEMPT = Message("attempt", "시도")
STEPS = Message("steps", "단계")
RESULT = Message("result", "결과")
STARTED_AT = Message("started", "시작")
FINISHED = Message("finished", "종료")
LINK = Message("set-up link", "설정 링크")
EXPIRED = Message("expired", "만료된 구독")

# --- the demo ------------------------------------------------------------------------------------------------------

NOT_A_DEMO = Message(
    "{folder} holds something that no demo made; the demo empties its folder, so give it another with --home.",
    "{folder}에는 데모가 만들지 않은 것이 있습니다. 데모는 폴더를 비우므로 --home으로 다른 폴더를 주세요.",
)
TOO_MANY_DEMOS = Message("Too many demos run in {folder}.", "{folder}에서 너무 많은 데모가 실행 중입니다.")
DEMO_NEEDS = Message(
    "The demo needs {services}, which is not installed: run it in the repository, with make demo.",
    "데모에는 {services:이/가} 필요하지만 설치되어 있지 않습니다. 저장소에서 make demo로 실행하세요.",
)
DEMO_START = Message("the market and two services answer", "마켓과 두 서비스가 응답합니다")
DEMO_REGISTER = Message(
    "both manifests are registered, both services listed", "두 매니페스트를 등록해 두 서비스가 목록에 올랐습니다"
)
DEMO_SCHOOLS = Message("two schools are there", "두 학교를 만들었습니다")
DEMO_SUBSCRIBE = Message(
    "each school subscribed to each service; four tenants are active",
    "학교마다 두 서비스를 구독해 네 테넌트가 활성화되었습니다",
)
DEMO_REDEEM = Message(
    "each administrator got in by a link that works once", "관리자마다 한 번만 쓸 수 있는 링크로 접속 키를 받았습니다"
)
DEMO_WRITE = Message("notes are written and read in each tenant", "테넌트마다 노트를 쓰고 읽었습니다")
DEMO_ISOLATION = Message(
    "no tenant's key reads another's notes (403, 401), and their data differ",
    "어느 테넌트의 키로도 다른 테넌트의 노트를 읽을 수 없고(403, 401) 데이터가 서로 다릅니다",
)
DEMO_EXPIRE = Message(
    "32 days pass on the market's calendar: the terms end, the tenants are deactivated",
    "마켓의 달력을 32일 옮기자 기간이 끝나 테넌트가 비활성화되었습니다",
)
DEMO_REFUSED = Message("the services refuse their users (403)", "서비스가 사용자를 거절합니다(403)")
DEMO_REACTIVATE = Message("renewed and reactivated", "갱신하여 다시 활성화했습니다")
DEMO_STILL_THERE = Message("the notes are still there", "노트가 그대로 있습니다")
DEMO_PURGE = Message(
    "{tenant} is purged; {service} knows it no more, and the others are unharmed",
    "{tenant:을/를} purge했습니다. {service:은/는} 더 이상 알지 못하고 다른 테넌트는 그대로입니다",
)
DEMO_DONE = Message("Everything was as it must be, in {seconds} s.", "모두 올바르게 동작했습니다({seconds}초).")
DEMO_STANDS = Message(
    """
The market is at      {url}/api/v1
The operator's token  {token}
Logs                  {folder}/logs

Try:
  {path}export MARKET_URL={url} MARKET_HOME={folder}
  market tenant list
  market tenant history hallym_univ
  market operation list
  curl -H "Authorization: Bearer $(cat {token})" {url}/api/v1/tenants

Ctrl-C ends the market and the services.""",
    """
마켓 주소     {url}/api/v1
운영자 토큰   {token}
로그          {folder}/logs

해 보기:
  {path}export MARKET_URL={url} MARKET_HOME={folder}
  market tenant list
  market tenant history hallym_univ
  market operation list
  curl -H "Authorization: Bearer $(cat {token})" {url}/api/v1/tenants

Ctrl-C로 마켓과 서비스를 끝냅니다.""",
)
DEMO_NOTES = Message("notes", "노트")
DEMO_TOOK = Message("activated in", "활성화 시간")
DEMO_SILENT = Message(
    "{program} did not answer within {seconds} s", "{program:이/가} {seconds}초 안에 응답하지 않았습니다"
)
DEMO_ENDED = Message(
    "{program} ended by itself (exit code {code})", "{program:이/가} 스스로 끝났습니다(종료 코드 {code})"
)
DEMO_NO_ANSWER = Message("{call} got no answer: {why}", "{call}에 응답이 없습니다: {why}")
DEMO_WRONG_STATUS = Message(
    "{call} answered {status} where {expected} was due", "{call}의 응답이 {expected}이어야 하는데 {status}입니다"
)
DEMO_WRONG_STATE = Message(
    "{tenant} is {state} where {expected} was due: {why}",
    "{tenant}의 상태가 {expected}이어야 하는데 {state}입니다: {why}",
)
DEMO_LINK_TWICE = Message(
    "the market gave the set-up link of {tenant} out twice", "마켓이 {tenant}의 설정 링크를 두 번 내주었습니다"
)
DEMO_STUCK = Message("{what} is still {state} after {seconds} s", "{what:이/가} {seconds}초 뒤에도 {state}입니다")
DEMO_NOT_EQUAL = Message("{found} is there where {expected} was due", "{expected}이어야 하는데 {found}입니다")
