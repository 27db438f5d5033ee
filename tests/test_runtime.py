"""From settings to accounts: whose credential counts, which host it goes to, and what is kept apart."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, VIDEO_CREATION
from virtual_time import VirtualClock

from kling_mcp.api.auth import ApiKey, KeyPair
from kling_mcp.caller_credentials import SANDBOX_URL, own_credential, read_caller_headers
from kling_mcp.errors import AuthError, ConfigurationError
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.runtime import Runtime
from kling_mcp.settings import HOSTS, Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World

CHINA = HOSTS["china"]


def runtime_of(tmp_path: Path, transport: Any = "stdio", **changes: Any) -> Runtime:
    """A runtime whose network is never reached."""
    return Runtime(Settings(state_dir=tmp_path / "state", **changes), transport=transport, clock=VirtualClock())


class TestOwnCredential:
    @pytest.mark.parametrize(
        ("changes", "credential"),
        [
            ({"api_key": API_KEY}, ApiKey(API_KEY)),
            ({"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}, KeyPair(ACCESS_KEY, SECRET_KEY)),
            # The key of both, because it works on every route. fact: auth-api-key-everywhere
            ({"api_key": API_KEY, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}, ApiKey(API_KEY)),
            ({"sandbox": True, "api_key": API_KEY}, ApiKey("sandbox", "sandbox")),
        ],
    )
    def test_own_credential_is_chosen_from_the_settings(self, changes: dict[str, Any], credential: object) -> None:
        assert own_credential(Settings(**changes)) == credential

    def test_missing_credential_is_an_error_only_when_needed(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path)
        with pytest.raises(ConfigurationError, match="No Kling credentials") as caught:
            runtime.own_account()
        assert caught.value.kind == "missing_credentials"


class TestAccounts:
    def test_the_same_credential_is_the_same_account(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path, api_key=API_KEY)
        assert runtime.own_account() is runtime.account(ApiKey(API_KEY))
        assert runtime.own_account() is not runtime.account(ApiKey("another-api-key"))
        assert not (tmp_path / "state").exists()  # nothing is opened until it is used

    def test_accounts_of_one_host_share_its_connections(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path)
        one, other = runtime.account(ApiKey("one-api-key")), runtime.account(ApiKey("another-api-key"))
        assert one.client.sender is other.client.sender
        assert one.client.account != other.client.account

    def test_regions_have_separate_accounts(self, tmp_path: Path) -> None:
        """fact: region-separate"""
        runtime = runtime_of(tmp_path, api_key=API_KEY)
        own, china = runtime.own_account(), runtime.account(ApiKey(API_KEY), "china")
        assert (own.client.sender.base_url, china.client.sender.base_url) == (HOSTS["global"], CHINA)
        assert own.client.account != china.client.account

    def test_an_address_of_the_operator_stays_whatever_the_region(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path, base_url="https://gateway.example")
        assert runtime.account(ApiKey(API_KEY), "china").client.sender.base_url == "https://gateway.example"

    @pytest.mark.anyio
    async def test_half_a_key_pair_opens_no_account(
        self, tmp_path: Path, clock: VirtualClock, world: World, faults: Faults
    ) -> None:
        """Whoever knows an access key and guesses the secret must not come by the client of its owner."""
        runtime = Runtime(
            Settings(state_dir=tmp_path / "state"),
            transport="http",
            clock=clock,
            make_transport=lambda: SimulatorTransport(world, faults),
        )
        owner = runtime.account_of_caller({"X-Kling-Access-Key": ACCESS_KEY, "X-Kling-Secret-Key": SECRET_KEY})
        await owner.client.create_element(VIDEO_CREATION, external_task_id="kmcp-1")
        stranger = runtime.account_of_caller({"X-Kling-Access-Key": ACCESS_KEY, "X-Kling-Secret-Key": "guessed-key"})
        with pytest.raises(AuthError):
            await stranger.client.list_elements()
        await runtime.aclose()


class TestCallersOverHttp:
    def test_key_of_a_caller_over_http_is_used(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path, "http", api_key=API_KEY, shared_account=True)
        account = runtime.account_of_caller({"x-kling-api-key": "the-callers-api-key"})
        assert account is runtime.account(ApiKey("the-callers-api-key"))
        assert account is not runtime.own_account()

    def test_key_of_the_server_is_not_lent_to_callers_without_a_key(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path, "http", api_key=API_KEY)
        for headers in (None, {}, {"authorization": f"Bearer {API_KEY}"}):
            with pytest.raises(ConfigurationError) as caught:
                runtime.account_of_caller(headers)
            assert caught.value.kind == "missing_credentials"
            assert "X-Kling-Api-Key" in caught.value.advice

    @pytest.mark.parametrize("changes", [{"api_key": API_KEY, "shared_account": True}, {"sandbox": True}])
    def test_key_of_the_server_is_used_where_the_operator_shares_it(
        self, tmp_path: Path, changes: dict[str, Any]
    ) -> None:
        runtime = runtime_of(tmp_path, "http", **changes)
        assert runtime.account_of_caller({}) is runtime.own_account()

    def test_caller_headers_are_ignored_over_stdio(self, tmp_path: Path) -> None:
        runtime = runtime_of(tmp_path, api_key=API_KEY)
        assert runtime.account_of_caller({"x-kling-api-key": "another"}) is runtime.own_account()


class TestCallerHeaders:
    def test_header_names_are_compared_without_case(self) -> None:
        assert read_caller_headers({"X-KLING-API-KEY": "k", "x-kling-region": " China "}) == (ApiKey("k"), "china")
        pair = {"x-Kling-Access-Key": "a", "X-kling-Secret-Key": "s"}
        assert read_caller_headers(pair) == (KeyPair("a", "s"), None)
        assert read_caller_headers({"x-kling-region": ""}) == (None, None)

    @pytest.mark.parametrize(
        ("headers", "why"),
        [
            ({"X-Kling-Api-Key": "Bearer CANARY"}, "X-Kling-Api-Key starts with 'Bearer'"),
            ({"X-Kling-Api-Key": "eyJCANARY.eyJCANARY.CANARY"}, "X-Kling-Api-Key holds a signed token"),
            ({"X-Kling-Api-Key": "${CANARY}"}, "X-Kling-Api-Key holds a placeholder"),
            ({"X-Kling-Access-Key": "CANARY"}, "X-Kling-Access-Key is set but X-Kling-Secret-Key is not"),
            ({"X-Kling-Secret-Key": "CANARY"}, "X-Kling-Secret-Key is set but X-Kling-Access-Key is not"),
            ({"X-Kling-Api-Key": "CANARY-1", "x-kling-api-key": "CANARY-2"}, "x-kling-api-key is sent twice"),
            ({"X-Kling-Api-Key": "k", "X-Kling-Region": "mars"}, "X-Kling-Region must be global or china"),
        ],
    )
    def test_malformed_credential_header_is_refused_and_not_shown(self, headers: dict[str, str], why: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            read_caller_headers(headers)
        assert caught.value.message.startswith(why)
        assert "CANARY" not in caught.value.for_caller()


class TestLocalFiles:
    def test_local_files_over_http_are_not_read_unless_folders_are_named(self, tmp_path: Path) -> None:
        policy = runtime_of(tmp_path, "http").media_policy()
        assert policy.allowed_dirs == ()
        assert "KLING_MCP_MEDIA_DIRS" in policy.local_files_off_reason
        assert "over http" in policy.local_files_off_reason
        assert runtime_of(tmp_path, "http", media_dirs=(tmp_path,)).media_policy().allowed_dirs == (tmp_path,)

    def test_local_files_over_stdio_are_refused_without_mention_of_http(self, tmp_path: Path) -> None:
        policy = runtime_of(tmp_path, media_dirs=()).media_policy()
        assert "http" not in policy.local_files_off_reason


@pytest.mark.anyio
class TestSandbox:
    async def test_sandbox_needs_no_settings_and_leaves_no_file(self, tmp_path: Path, clock: VirtualClock) -> None:
        runtime = Runtime(Settings(sandbox=True, state_dir=tmp_path / "state"), clock=clock)
        account = runtime.own_account()
        sent = await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-1")
        await clock.sleep(60)
        assert (await account.client.get_task(sent.task_id)).element_ids
        assert len(await account.client.list_preset_elements(1, 500)) == 54
        assert (account.client.credential_kind, account.client.sender.base_url) == ("sandbox", SANDBOX_URL)
        await runtime.aclose()
        assert not (tmp_path / "state").exists()

    async def test_clip_of_the_sandbox_is_saved_where_a_folder_is_named(
        self, tmp_path: Path, clock: VirtualClock
    ) -> None:
        runtime = Runtime(Settings(sandbox=True, output_dir=tmp_path / "clips"), clock=clock)
        generator = runtime.own_account().generator
        request = await generator.prepare(VideoDraft(prompt="A street in the rain"))
        made = await generator.generate_and_wait(request, wait_seconds=60)
        await runtime.aclose()
        assert [file.error for file in made.files] == [None]
        assert Path(made.files[0].path).parent == tmp_path / "clips"

    async def test_a_runtime_can_be_closed_before_it_was_used(self, tmp_path: Path) -> None:
        await runtime_of(tmp_path).aclose()


@pytest.mark.anyio
async def test_state_goes_into_its_folder(runtime: Runtime, tmp_path: Path) -> None:
    assert await runtime.own_account().journal.find("nothing") is None
    assert (tmp_path / "state").is_dir()


@pytest.mark.anyio
async def test_memory_of_a_closed_runtime_is_free_again(tmp_path: Path, world: World) -> None:
    """Although its accounts close their files at the latest when they are gone, which the interpreter notes down."""
    runtime = Runtime(
        Settings(state_dir=tmp_path / "state", api_key=API_KEY),
        clock=VirtualClock(),
        make_transport=lambda: SimulatorTransport(world),
    )
    await runtime.own_account().library.refresh()
    await runtime.aclose()
    kept = weakref.ref(runtime)
    del runtime
    gc.collect()
    assert kept() is None
