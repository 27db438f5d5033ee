"""What this package believes of Kling's API: each fact with its id, its source, and how sure it is.

Code and tests cite these ids (`fact: id-as-string`); `test_facts` holds both sides together.
An id's meaning never changes. A fact that nothing uses yet says why.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

# seed: the official Element page. doc: the vendor's other pages. live: measured and published by one party.
# live2: by two or more. one: one third party says so. guess: our inference or choice.
Mark = Literal["seed", "doc", "live", "live2", "one", "guess"]


class Fact(NamedTuple):
    """One fact. `section` is that of the API reference; `deferred` says why nothing cites it."""

    id: str
    statement: str
    mark: Mark
    section: str
    deferred: str = ""


_NO_GENERATION = "generation requests are prepared, never sent"

FACTS = (
    # 1. Hosts and credentials
    Fact("host-global", "outside China the host is api-singapore", "doc", "1"),
    Fact("host-china", "in China the host is api-beijing", "doc", "1"),
    Fact("host-old", "an older host was replaced and is said to resolve still", "one", "1", "never called"),
    Fact("region-separate", "accounts and keys belong to one region", "one", "1"),
    Fact("region-no-fallback", "an error is never answered by trying the other region", "guess", "1"),
    Fact("library-web-separate", "web site and API do not see each other's elements", "live", "1"),
    Fact("library-old-separate", "older routes answer with a library of their own", "doc", "1", "never called"),
    Fact("headers", "JSON content type, and a Bearer token", "seed", "1"),
    Fact("auth-api-key", "an API key is sent as it is", "doc", "1"),
    Fact("auth-api-key-everywhere", "an API key works on every route", "live2", "1"),
    Fact("auth-pair-legacy-only", "a key pair works on legacy routes alone", "live2", "1"),
    Fact("jwt-shape", "HS256; iss, exp in 1800 s, nbf 5 s ago, whole seconds", "doc", "1"),
    Fact("jwt-refresh", "renew a token early: a wait may outlive it", "guess", "1"),
    Fact("jwt-clock", "1003 for a fast clock, 1004 for a slow one; the Date header tells", "guess", "1"),
    # 2. Envelope
    Fact("envelope", "code, message, request_id, data; 0 is success", "seed", "2"),
    Fact("envelope-code-200", "a vendor script takes code 200 as success", "doc", "2"),
    Fact("envelope-no-data", "errors may lack data or hold null", "live", "2"),
    Fact("envelope-http", "a failure may come with HTTP 200", "one", "2"),
    Fact("envelope-not-json", "a proxy may answer HTML or nothing", "guess", "2"),
    # 3. Errors
    Fact("errors-code-decides", "the code decides: four of six 429 codes are permanent", "doc", "3"),
    Fact("retry-create", "after 5000-5002, 502-504 or a lost reply the task may exist", "one", "3"),
    Fact("retry-reads", "reads repeat on what may pass by itself", "guess", "3"),
    Fact("retry-after-unseen", "Retry-After was never seen; obey it within a cap", "guess", "3"),
    Fact("msg-task-not-found", "an unknown id in a query: 1201 Task not found", "live2", "3"),
    Fact("msg-refer-count", "no other pictures: 1201, between 1 and 3", "live2", "3"),
    Fact("msg-bad-element", "a bad reference in a generation: 1201", "live", "3"),
    Fact("msg-deleted-twice", "a second delete: 1201 already be deleted", "live", "3"),
    Fact("msg-external-id-used", "a used external id: 1201 already exists", "live", "3"),
    Fact("msg-no-pack", "no pack: 429, 1102 balance not enough", "live", "3"),
    Fact("msg-parallel", "too many at once: 1303 over resource pack limit", "doc", "3"),
    Fact("msg-garbage-key", "a junk key: 1002, expected to have 3 parts", "live", "3"),
    Fact("msg-moderated", "refused after acceptance: failed, risk control", "live2", "3"),
    Fact("failed-has-no-code", "a failed task carries a text and no code", "live", "3"),
    # 4. Elements
    Fact("no-trailing-slash", "the create path has no slash at its end", "live2", "4"),
    Fact("delete-two-paths", "two delete paths act on one library", "live", "4"),
    Fact("no-get-by-element-id", "no route reads an element by its id", "seed", "4"),
    Fact("no-search", "no route searches", "seed", "4"),
    Fact("no-update", "no route changes an element", "seed", "4", "there is no tool for it either"),
    # 4.1 Create
    Fact("name-20", "a name has at most 20 characters", "seed", "4.1"),
    Fact("description-100", "a description has at most 100 characters", "seed", "4.1"),
    Fact("name-not-unique", "two elements may share a name", "live", "4.1"),
    Fact("image-count", "one frontal picture and 1 to 3 others", "seed", "4.1"),
    Fact("frontal-may-repeat", "the frontal picture repeated is accepted", "live2", "4.1"),
    Fact("image-formats", "jpg, jpeg or png", "seed", "4.1"),
    Fact("image-bytes", "at most 10 MB", "seed", "4.1"),
    Fact("image-pixels", "each side at least 300 px", "seed", "4.1"),
    Fact("image-ratio", "from 1:2.5 to 2.5:1", "seed", "4.1"),
    Fact("image-source", "Base64, or a URL that the vendor can open", "seed", "4.1"),
    Fact("base64-bare", "Base64 without a data: prefix", "doc", "4.1"),
    Fact("frontal-is-string", "frontal_image is a plain string", "seed", "4.1"),
    Fact("body-40mb", "inline bodies seem capped near 40 MB", "one", "4.1"),
    Fact("video-count", "at most one clip, its link not empty", "seed", "4.1"),
    Fact("video-format", "mp4 or mov, 3 to 8 s, 1080P, 16:9 or 9:16, 200 MB", "seed", "4.1"),
    Fact("video-url-only", "there is no upload route", "doc", "4.1"),
    Fact("video-people-only", "clips show realistic humanoid figures", "seed", "4.1"),
    Fact("video-voice", "a voice in a clip is made a voice and bound", "seed", "4.1"),
    Fact("video-voice-unreliable", "that voice never appeared", "live", "4.1"),
    Fact("video-models", "video elements need the newer models", "guess", "4.1"),
    Fact("voice-on-images", "an image element may carry a voice", "doc", "4.1"),
    # 4.3 Query
    Fact("query-takes-task-id", "a query takes a task id or external id, no element id", "live2", "4.3"),
    Fact("query-external-id", "by external id it was seen for other tasks only", "live", "4.3"),
    Fact("terminal-succeed", "success reads succeed; new routes say succeeded", "seed", "4.3"),
    Fact("status-unknown", "any other word is unknown and not polled for ever", "guess", "4.3"),
    Fact("id-as-string", "ids are numbers of up to 19 digits: keep them as text", "live2", "4.3"),
    Fact("reference-type-null", "it may be null: the filled list tells the kind", "live", "4.3"),
    Fact("flat-result", "one client reads the element id without a list", "one", "4.3"),
    Fact("empty-while-running", "task_info and task_result may be empty", "live", "4.3"),
    Fact("create-is-free", "creations cost nothing", "live2", "4.3"),
    # 4.4 Lists
    Fact("list-shape", "a list's data is an array of records", "seed", "4.4"),
    Fact("list-no-total", "no total: a short or empty page is the last", "one", "4.4"),
    Fact("list-is-tasks", "running and failed tasks are rows, too", "guess", "4.4"),
    Fact("list-shows-deleted", "deleted elements stay listed", "live", "4.4"),
    Fact("list-order-unknown", "no order is promised", "seed", "4.4"),
    Fact("presets", "54 official elements, owned by kling", "live", "4.4"),
    Fact("presets-thin", "their task fields may be empty", "one", "4.4"),
    Fact("presets-not-deletable", "only custom elements can be deleted", "seed", "4.4"),
    # 4.5 Delete
    Fact("delete-takes-element-id", "a deletion takes the element id", "seed", "4.5"),
    Fact("delete-reply", "its data holds task_id and task_status", "seed", "4.5"),
    Fact("delete-has-no-data", "real replies had no data", "live", "4.5"),
    Fact("delete-synchronous", "it works at once: never poll it", "live", "4.5"),
    Fact("delete-twice-is-success", "after an unclear deletion, deleted already means done", "guess", "4.5"),
    # 4.6 Timing
    Fact("time-image", "5 s, elsewhere 1 to 2 minutes", "live2", "4.6"),
    Fact("time-voice", "a voice takes 9 to 15 s", "live2", "4.6"),
    Fact("poll", "from 2 s growing to 10 s, for 10 to 15 minutes", "guess", "4.6"),
    Fact("outputs-30-days", "generated outputs go after 30 days", "doc", "4.6", _NO_GENERATION),
    Fact("multi-shot", "a route makes missing angles for 20 units", "doc", "4.6", "it costs; no tool calls it"),
    # 5. Callbacks
    Fact("callback-repeats", "several deliveries per task", "guess", "5"),
    Fact("callback-best-effort", "retries, order and timeout are unknown: keep polling", "doc", "5"),
    Fact("callback-answer", "answer 200; 4xx for a bad signature", "doc", "5"),
    Fact("callback-legacy-body", "elements send the bare record", "doc", "5"),
    Fact("callback-no-elements", "results are images and videos: query the task", "doc", "5"),
    Fact("callback-new-body", "new routes send another body", "doc", "5"),
    Fact("signature", "Standard Webhooks, if a secret exists", "doc", "5"),
    Fact("signature-headers", "webhook-id, -timestamp, -signature", "doc", "5"),
    Fact("signature-sum", "HMAC-SHA256 over id, time and body; 5 minutes", "doc", "5"),
    Fact("signature-rotation", "a replaced secret lives 7 more days", "doc", "5"),
    Fact("signature-legacy-unknown", "whether element callbacks are signed is open", "doc", "5"),
    # 6. Concurrency
    Fact("slots", "creations count per account until the task ends", "doc", "6"),
    Fact("slots-size", "the cap is the highest of the packs", "doc", "6", "packs are not read"),
    Fact("slots-refused", "over the cap comes 1303: nothing was created", "doc", "6"),
    Fact("slots-elements-unknown", "whether element creations count is open", "live", "6"),
    # 7. Voices
    Fact("voice-create", "name, link to a clip of 5 to 30 s", "doc", "7"),
    Fact("voice-record", "voice ids have 18 digits", "live2", "7"),
    Fact("voice-page", "pages of up to 1000", "doc", "7"),
    Fact("voice-cost", "a voice costs 0.05 unit", "live2", "7", "no tool makes voices"),
    Fact("voice-catalogues", "three catalogues; a foreign id gives 1201", "live", "7"),
    # 8. Account
    Fact("costs", "packs are read at /account/costs, once a second", "doc", "8"),
    Fact("costs-double-envelope", "its data holds a code, too", "doc", "8"),
    Fact("costs-pack", "what a pack says of itself", "doc", "8"),
    # 9. Element ids in generation
    Fact("handle-legacy", "the older standard counts places: <<<element_1>>>", "doc", "9"),
    Fact("handle-new", "the 3.0 standard names handles: @name", "doc", "9"),
    Fact("handle-wrong-is-billed", "a wrong handle is ignored and billed", "live", "9"),
    Fact("legacy-id-type", "the older standard wants a long", "doc", "9"),
    Fact("new-id-string", "the 3.0 standard takes a string", "live", "9"),
    Fact("voice-needs-audio", "a bound voice is heard with native audio alone", "one", "9"),
    Fact("no-elements", "several models take none", "doc", "9"),
    Fact("omni-counts", "limits of 3.0 Omni by what else is referred to", "doc", "9.1"),
    Fact("tasks-20", "new routes read 20 tasks at once", "live", "9.3", "elements are read on their own routes"),
)
