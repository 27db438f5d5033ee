"""Everything that the vendor does, reportedly does or might do differently from its own page, as switches.

Each field names its fact. Choices only: must not act on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ListOrder = Literal["newest-first", "oldest-first", "shuffled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How this Kling behaves. The defaults are measured live, or from the official page if nothing was measured.

    A world's quirks may be replaced while it runs: `world.quirks = dataclasses.replace(world.quirks, ...)`.
    Existing ids keep their digits.
    """

    # fact: id-as-string. Custom element ids: 15 digits seen, 18 (above 2^53) in vendor samples.
    element_id_digits: Literal[15, 18] = 15
    element_id_json: Literal["number", "string"] = "number"
    reference_type_null: bool = False  # fact: reference-type-null
    # fact: empty-while-running. What `task_info` (the caller's id) looks like.
    task_info: Literal["full", "empty-while-running", "missing-while-running", "always-empty"] = "full"
    flat_result: bool = False  # fact: flat-result
    # fact: tags-every-form. The Element page shows [], other pages {id, name, description}.
    tags: Literal["full", "ids", "empty"] = "full"
    # fact: pictures-as-sent. `links` keeps https links and replaces Base64 by made-up ones.
    pictures: Literal["as-sent", "links", "empty"] = "as-sent"
    # fact: voice-info-empty. What an element without a voice shows.
    no_voice_info: Literal["empty", "absent"] = "empty"
    delete_data: Literal["absent", "null", "task"] = "absent"  # facts: delete-reply, delete-has-no-data
    success_code: Literal[0, 200] = 0  # fact: envelope-code-200
    # fact: envelope-http. Refusals arrive with HTTP 200.
    refusals_on_http_200: bool = False
    error_data: Literal["absent", "null"] = "absent"  # fact: envelope-no-data
    # facts: terminal-succeed, status-unknown. Maps a documented word to the one that is sent.
    status_words: Mapping[str, str] = field(default_factory=dict)
    # Unknown fields at every level of a reply: readers must be tolerant.
    extra_fields: bool = False
    # Units as documented, or as seen. fact: units-may-be-numbers
    deduction: Literal["string", "number"] = "string"
    # facts: query-external-id, gen-lookup. Off: only the task id finds an element, a voice or a video on `/v1`.
    query_by_external_id: bool = True
    # fact: msg-external-id-used, open for elements. Off: a used id is accepted and makes a second element.
    refuse_used_external_id: bool = True
    # facts: video-voice-unreliable, voice-on-images. Off: a bound voice never shows.
    bind_voices: bool = True
    # facts: video-voice (the seed promises it), video-voice-unreliable (it never came).
    voice_from_video: bool = False
    list_order: ListOrder = "newest-first"  # fact: list-order-unknown
    # fact: list-is-tasks. Off: only finished ones are rows; such a page needs a walk over the whole list.
    list_running: bool = True
    # fact: list-shows-deleted. Off: a deleted element leaves the list at once.
    list_deleted: bool = True
    presets_thin: bool = True  # fact: presets-thin
    # fact: price-failed-unknown. On: a failed task costs as much as a good one.
    bill_failed: bool = False
    # fact: price-video-element. On: a video element on 3.0 Omni is billed as a reference video.
    video_element_costs_as_video: bool = False
    # fact: costs-double-envelope. The inner code of `/account/costs`.
    costs_code: int = 0
    # fact: tasks-field-names. What `/tasks` calls the results, and the role of a picture that is not the front.
    tasks_outputs: Literal["outputs", "references"] = "outputs"
    tasks_role: Literal["reference", "refer"] = "reference"
    # facts: tasks-element-output, tasks-element-references. What it calls the materials of an element.
    tasks_materials: Literal["references", "materials"] = "references"
    # fact: gen-links. How a link tells when it ends.
    link_expiry: Literal["Expires", "ksTime"] = "Expires"
    # fact: gen30-models. Models that no fact describes, each played like the named one of the same route.
    models_like: Mapping[str, str] = field(default_factory=dict)
    # Off: the host of the results answers a Range with the whole file.
    file_ranges: bool = True
    # facts: name-20, description-100. The page says "characters"; a Java server may count UTF-16 units.
    characters: Literal["code-points", "utf-16"] = "code-points"
