"""A small HTTP client for sources that answer in JSON: retries with backoff, bounded answers, credentials never shown.

Credentials come from the environment and go to the host that was named, to no other: a redirect elsewhere is refused.
"""

import base64
import email.utils
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

MAX_ANSWER_BYTES: Final = 64 << 20
TIMEOUT_S: Final = 60.0
ATTEMPTS: Final = 6
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0

TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class SourceFailed(RuntimeError):
    """A source gave no answer that can be used; the message says which, what it said, and what to do."""


class AnswerTooLarge(SourceFailed):
    """The answer is larger than what is held in memory at once; ask for less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source said: its JSON, and how far its clock was ahead of ours where it told its time."""

    content: Any
    clock_offset_s: float | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The value of an Authorization header; never part of a message, a repr or a log."""

    header: str | None = field(default=None, repr=False)
    hint: str = ""  # which variables of the environment to set, for the message of a refusal

    @classmethod
    def from_environment(cls, prefix: str) -> "Credentials":
        """A bearer token in <prefix>_TOKEN, or a name and password in <prefix>_USER and <prefix>_PASSWORD.

        Raises SourceFailed where both, or only half of a pair, are set.
        """
        token, user, password = (os.environ.get(f"{prefix}_{name}") for name in ("TOKEN", "USER", "PASSWORD"))
        hint = f"{prefix}_TOKEN, or {prefix}_USER and {prefix}_PASSWORD"
        if token and (user or password):
            raise SourceFailed(f"{prefix}_TOKEN and {prefix}_USER are both set; set {hint}")
        if token:
            return cls(f"Bearer {token}", hint)
        if user and password:
            return cls("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), hint)
        if user or password:
            raise SourceFailed(f"only one of {prefix}_USER and {prefix}_PASSWORD is set; set {hint}")
        return cls(None, hint)


@dataclass(slots=True)
class JsonSource:
    """One source by its base URL. Raises SourceFailed where that is no plain http or https URL."""

    url: str
    credentials: Credentials = field(default_factory=Credentials)
    timeout_s: float = TIMEOUT_S
    attempts: int = ATTEMPTS
    first_pause_s: float = FIRST_PAUSE_S
    max_bytes: int = MAX_ANSWER_BYTES
    pause: Callable[[float], None] = time.sleep
    on_retry: Callable[[str], None] = lambda message: None

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if parts.username or parts.password:
            raise SourceFailed(
                f"{parts.scheme}://…@{parts.hostname}: no credentials in a URL; {self._how_to_sign_in()}"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceFailed(f"{self.url}: not an http or https URL; give one, e.g. http://127.0.0.1:9090")
        self.url = self.url.rstrip("/")

    def get(self, path: str = "", parameters: Mapping[str, str] | None = None) -> Answer:
        """The answer to GET url + path. Transient failures are tried again, each time later.

        Raises SourceFailed, AnswerTooLarge.
        """
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        request = urllib.request.Request(f"{self.url}{path}{query}", headers=self._headers())
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(request)
            except _Transient as failure:
                if attempt == self.attempts:
                    raise SourceFailed(
                        f"{self.url}{path}: {failure} ({attempt} attempts); run the command again later, "
                        "it goes on where it stopped"
                    ) from failure
                seconds = failure.retry_after_s or self._pause_s(attempt)
                self.on_retry(f"{self.url}{path}: {failure}; trying again in {seconds:.0f} s")
                self.pause(seconds)
        raise AssertionError("attempts is at least 1")

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "alems-collect"}
        if self.credentials.header:
            headers["Authorization"] = self.credentials.header
        return headers

    def _once(self, request: urllib.request.Request) -> Answer:
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as response:
                clock_offset_s = _clock_offset_s(response.headers.get("Date"))
                body = response.read(self.max_bytes + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except (
            OSError,
            http.client.HTTPException,
        ) as error:  # no connection, time-out, cut off; URLError is an OSError
            raise _Transient(
                f"no answer ({getattr(error, 'reason', None) or error or type(error).__name__})"
            ) from error
        if len(body) > self.max_bytes:
            raise AnswerTooLarge(f"{self.url}: an answer above {self.max_bytes >> 20} MiB; ask for less at once")
        try:
            content = json.loads(body)
        except ValueError as error:
            raise _Transient(f"an answer that is no JSON ({error})") from error
        return Answer(content, clock_offset_s)

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        said = _said(error)
        if error.code in TRANSIENT_STATUS:
            return _Transient(f"HTTP {error.code}{said}", _seconds(error.headers.get("Retry-After")))
        remedy = f"; {self._how_to_sign_in()}" if error.code in (401, 403) else ""
        return SourceFailed(f"{self.url}: HTTP {error.code}{said}{remedy}")

    def _how_to_sign_in(self) -> str:
        return f"set {self.credentials.hint} in the environment" if self.credentials.hint else "it asks for a sign-in"

    def _pause_s(self, attempt: int) -> float:
        """Doubling, and spread, so that many collectors do not come back at once."""
        longest = min(self.first_pause_s * 2.0 ** (attempt - 1), LONGEST_PAUSE_S)
        return longest * random.uniform(0.5, 1.0)


class _Transient(Exception):
    """May go well the next time."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class _SameOriginRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would carry the Authorization header to wherever a redirect leads."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        here, there = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise SourceFailed(
                f"{here.scheme}://{here.netloc}: redirects to {there.scheme}://{there.netloc}; "
                "name that address yourself if it is the right one"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER: Final = urllib.request.build_opener(_SameOriginRedirects)


def _said(error: urllib.error.HTTPError) -> str:
    """What the source says of its refusal, in a few words: Prometheus's and the carbon API's forms are known."""
    try:
        content = json.loads(error.read(10_000))
    except (ValueError, OSError, http.client.HTTPException):
        return ""
    said = content.get("error") if isinstance(content, dict) else None
    if isinstance(said, dict):
        said = said.get("message")
    return f" ({str(said)[:300]})" if said else ""


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not used by any source here."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE_S)


def _clock_offset_s(date: str | None) -> float | None:
    """The source's Date header less our time; whole seconds, so good to about one."""
    try:
        told = email.utils.parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return (told - datetime.now(UTC)).total_seconds() if told.tzinfo else None
