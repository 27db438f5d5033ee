"""What the suite's other scenarios call by name: tools, resources and prompts with fixed contents.

Left out on purpose: what the 2026-07-28 revision deprecates (sampling, roots, logging, resource subscriptions).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field
from task_fixtures import answered, form

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

AnyContext = Context[Any, Any]

# One pixel, and a WAV file of one sample.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SOUND = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="
# Every keyword of JSON Schema 2020-12 that a server must hand on as it is (SEP-1613, SEP-2106).
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


class Reply(BaseModel):
    """A form with one text field."""

    response: str = Field(description="What the user says")


class Prefilled(BaseModel):
    """A form whose fields all have defaults (SEP-1034)."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field("active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


def _titled(**titles: str) -> list[Any]:
    return [{"const": value, "title": title} for value, title in titles.items()]


class Choices(BaseModel):
    """A form with every kind of choice (SEP-1330)."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})  # noqa: N815 - the suite's
    titledSingle: str = Field(json_schema_extra={"oneOf": _titled(value1="First", value2="Second")})  # noqa: N815 - the suite's name
    untitledMulti: list[str] = Field(json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2"]}})  # noqa: N815 - the suite's name
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": _titled(value1="First", value2="Second")}})  # noqa: N815 - the suite's name
    legacyEnum: str = Field(json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]})  # noqa: N815 - the suite's name


def add_general_fixtures(server: MCPServer[Any]) -> None:
    """Put them beside the real tools."""
    tools = (
        simple_text,
        image_content,
        audio_content,
        embedded_resource,
        multiple_content_types,
        tool_with_progress,
        reconnection,
        error_handling,
        elicitation,
        elicitation_sep1034_defaults,
        elicitation_sep1330_enums,
        x_mcp_header,
        missing_capability,
        input_required_result_elicitation,
        input_required_result_request_state,
        input_required_result_tampered_state,
        input_required_result_multi_round,
        input_required_result_capabilities,
        trigger_prompt_change,
    )
    for tool in tools:
        server.add_tool(tool, name=f"test_{tool.__name__}", description="Conformance fixture")
    _add_a_changing_tool(server)
    _add_a_tool_with_a_rich_schema(server)
    _add_resources(server)
    _add_prompts(server)


def _picture() -> ImageContent:
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def _says(text: str) -> UserMessage:
    return UserMessage(TextContent(type="text", text=text))


def simple_text() -> str:
    return "This is a simple text response for testing."


def image_content() -> list[ImageContent]:
    return [_picture()]


def audio_content() -> list[AudioContent]:
    return [AudioContent(type="audio", data=SOUND, mime_type="audio/wav")]


def embedded_resource() -> list[EmbeddedResource]:
    return [_embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


def multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    return [
        TextContent(type="text", text="Multiple content types test:"),
        _picture(),
        _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ]


async def tool_with_progress(ctx: AnyContext) -> str:
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100, f"{progress} of 100")
        await anyio.sleep(0.05)
    return "Done"


async def reconnection(ctx: AnyContext) -> str:
    """Ends its stream before it answers, where streams can be resumed; here they cannot, and it stays open."""
    await ctx.close_sse_stream()
    return "Done"


def error_handling() -> str:
    raise ToolError("This tool intentionally returns an error for testing")


async def elicitation(message: str, ctx: AnyContext) -> str:
    return f"User response: {(await ctx.elicit(message, Reply)).action}"


async def elicitation_sep1034_defaults(ctx: AnyContext) -> str:
    return f"Elicitation completed: {(await ctx.elicit('Please check these', Prefilled)).action}"


async def elicitation_sep1330_enums(ctx: AnyContext) -> str:
    return f"Elicitation completed: {(await ctx.elicit('Please choose', Choices)).action}"


def x_mcp_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "none",
) -> str:
    return region


async def missing_capability(ctx: AnyContext) -> str:
    """Needs a capability that the suite's client does not declare."""
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY, "Sampling is needed", {"requiredCapabilities": {"sampling": {}}}
        )
    return "ok"


async def input_required_result_elicitation(ctx: AnyContext) -> str | InputRequiredResult:
    name = answered(ctx.input_responses, "user_name", "name")
    return f"Hello, {name}!" if name else _ask(user_name="name")


async def input_required_result_request_state(ctx: AnyContext) -> str | InputRequiredResult:
    if ctx.input_responses and ctx.request_state == "first":
        return "state-ok"
    return _ask(state="first", confirm="ok")


async def input_required_result_tampered_state(ctx: AnyContext) -> str | InputRequiredResult:
    return "state-ok" if ctx.request_state else _ask(state="first", confirm="ok")


async def input_required_result_multi_round(ctx: AnyContext) -> str | InputRequiredResult:
    """Two questions, one after the other; the state carries the first answer."""
    known = json.loads(ctx.request_state) if ctx.request_state else {}
    name = known.get("name") or answered(ctx.input_responses, "step1", "name")
    colour = answered(ctx.input_responses, "step2", "color")
    if not name:
        return _ask(state=json.dumps({"round": 1}), step1="name")
    if not colour:
        return _ask(state=json.dumps({"name": name}), step2="color")
    return f"{name} likes {colour}"


async def input_required_result_capabilities(ctx: AnyContext) -> InputRequiredResult:
    """Asks only for what the client can be asked."""
    capabilities = ctx.client_capabilities
    can_ask = capabilities is None or capabilities.elicitation is not None
    return _ask(state="asked", ask="name") if can_ask else _ask(state="asked")


async def trigger_prompt_change(ctx: AnyContext) -> str:
    await ctx.notify_prompts_changed()
    return "changed"


def _ask(state: str | None = None, **fields: str) -> InputRequiredResult:
    """An interim result with a form of one field under each key."""
    kinds = {"ok": "boolean"}
    forms = {
        key: form(f"What is the {name}?", **{name: {"type": kinds.get(name, "string")}}) for key, name in fields.items()
    }
    return InputRequiredResult(input_requests=dict(forms), request_state=state)


def _add_a_changing_tool(server: MCPServer[Any]) -> None:
    async def trigger_tool_change(ctx: AnyContext) -> str:
        server.add_tool(lambda: "here", name="test_dynamic_tool", description="Conformance fixture")
        server.remove_tool("test_dynamic_tool")
        await ctx.notify_tools_changed()
        return "changed"

    server.add_tool(trigger_tool_change, name="test_trigger_tool_change", description="Conformance fixture")


def _add_a_tool_with_a_rich_schema(server: MCPServer[Any]) -> None:
    server.add_tool(lambda: "ok", name="json_schema_2020_12_tool", description="Conformance fixture")
    tool = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert tool is not None
    tool.parameters = SCHEMA


def _add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", mime_type="text/plain", description="Conformance fixture")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png", description="Conformance fixture")
    def static_binary() -> bytes:
        return base64.b64decode(PIXEL)

    @server.resource("test://template/{id}/data", mime_type="application/json", description="Conformance fixture")
    def template(id: str) -> str:  # noqa: A002 - the suite's name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _add_prompts(server: MCPServer[Any]) -> None:
    @server.prompt("test_simple_prompt", description="Conformance fixture")
    def simple_prompt() -> list[UserMessage]:
        return [_says("This is a simple prompt for testing.")]

    @server.prompt("test_prompt_with_arguments", description="Conformance fixture")
    def prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
        return [_says(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]

    @server.prompt("test_prompt_with_embedded_resource", description="Conformance fixture")
    def prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's name
        return [UserMessage(_embedded(resourceUri, "text/plain", "For testing.")), _says("Please process it.")]

    @server.prompt("test_prompt_with_image", description="Conformance fixture")
    def prompt_with_image() -> list[UserMessage]:
        return [UserMessage(_picture()), _says("Please look at it.")]

    @server.prompt("test_input_required_result_prompt", description="Conformance fixture")
    async def input_required_result_prompt(ctx: AnyContext) -> list[UserMessage] | InputRequiredResult:
        context = answered(ctx.input_responses, "user_context", "context")
        return [_says(f"Use this: {context}")] if context else _ask(user_context="context")

    # The SDK leaves this decorator without types.
    @server.completion()  # type: ignore[no-untyped-call,untyped-decorator] # the SDK's decorator is not annotated
    async def complete(*_: object) -> Completion:
        return Completion(values=["paris", "park", "party"], total=3, has_more=False)
