"""Every variable of the contract: its default, what it takes, and the sentence that names it when it does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings import HOSTS, Settings, default_state_dir, missing_credentials

BLANK: dict[str, str] = {}


def refusal(**environ: str) -> str:
    """The sentence with which these variables are refused."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    assert caught.value.kind == "bad_input"
    return caught.value.message


def test_an_empty_environment_is_enough_to_start() -> None:
    settings = Settings.from_env(BLANK)
    assert settings == Settings()
    assert (settings.credential_kind, settings.base_url, settings.wait_seconds, settings.max_creates) == (
        "none",
        HOSTS["global"],
        45,
        3,
    )
    assert (settings.sandbox, settings.read_only, settings.tools, settings.shared_account) == (False, False, (), False)


def test_every_variable_is_read(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {
            "KLING_API_KEY": API_KEY,
            "KLING_ACCESS_KEY": ACCESS_KEY,
            "KLING_SECRET_KEY": SECRET_KEY,
            "KLING_REGION": "China",
            "KLING_MCP_SANDBOX": "0",
            "KLING_MCP_READ_ONLY": "1",
            "KLING_MCP_TOOLS": "get_element, list_elements",
            "KLING_MCP_MEDIA_DIRS": f"{tmp_path}{os.pathsep} {tmp_path.parent} ",
            "KLING_MCP_OUTPUT_DIR": str(tmp_path / "films"),
            "KLING_MCP_STATE_DIR": str(tmp_path / "state"),
            "KLING_MCP_WAIT_SECONDS": "600",
            "KLING_MCP_MAX_CREATES": "7",
            "KLING_MCP_SHARED_ACCOUNT": "yes",
            "KLING_MCP_LOG_LEVEL": "debug",
        }
    )
    assert settings == Settings(
        api_key=API_KEY,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region="china",
        base_url="https://api-beijing.klingai.com",
        read_only=True,
        tools=("get_element", "list_elements"),
        media_dirs=(tmp_path, tmp_path.parent),
        output_dir=tmp_path / "films",
        state_dir=tmp_path / "state",
        wait_seconds=600,
        max_creates=7,
        shared_account=True,
        log_level="DEBUG",
    )


class TestCredentials:
    @pytest.mark.parametrize(
        ("environ", "kind"),
        [
            ({"KLING_API_KEY": API_KEY}, "api_key"),
            ({"KLING_ACCESS_KEY": ACCESS_KEY, "KLING_SECRET_KEY": SECRET_KEY}, "key_pair"),
            ({"KLING_API_KEY": API_KEY, "KLING_MCP_SANDBOX": "1"}, "sandbox"),
            ({"KLING_API_KEY": "  "}, "none"),
            ({"KLING_API_KEY": f"{API_KEY}\n"}, "api_key"),  # as `$(cat file)` may leave it
        ],
    )
    def test_credential_kind_follows_from_the_variables(self, environ: dict[str, str], kind: str) -> None:
        assert Settings.from_env(environ).credential_kind == kind

    @pytest.mark.parametrize(
        ("given", "missing"),
        [("KLING_ACCESS_KEY", "KLING_SECRET_KEY"), ("KLING_SECRET_KEY", "KLING_ACCESS_KEY")],
    )
    def test_half_a_key_pair_is_refused(self, given: str, missing: str) -> None:
        assert f"{given} is set but {missing} is not" in refusal(**{given: SECRET_KEY})

    @pytest.mark.parametrize("name", ["KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY"])
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("${KLING_KEY}", "placeholder"),
            ("key-${SUFFIX}", "placeholder"),
            ("$KLING_KEY", "placeholder"),
            ("%KLING_KEY%", "placeholder"),
            ("<your key>", "placeholder"),
            (f'"{API_KEY}"', "quotes"),
            (f"'{API_KEY}'", "quotes"),
            (f"“{API_KEY}”", "quotes"),
            (f"{API_KEY} ", "white space"),
            (f"{API_KEY}\t{API_KEY}", "white space"),
            (f"{API_KEY}\nX", "white space"),
            (f"Bearer {API_KEY}", "Bearer"),
            (f"bearer{API_KEY}", "Bearer"),
            (f"{API_KEY}é", "no key has"),
            (f"{API_KEY}\x7f", "no key has"),
        ],
    )
    def test_malformed_key_is_refused_and_not_shown(self, name: str, value: str, why: str) -> None:
        sentence = refusal(**{name: value})
        assert sentence.startswith(name)
        assert why in sentence
        assert "CANARY" not in sentence

    def test_a_token_in_the_place_of_a_key_is_refused(self) -> None:
        token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"
        sentence = refusal(KLING_API_KEY=token)
        assert "KLING_API_KEY holds a signed token" in sentence
        assert token not in sentence

    def test_a_key_with_two_dots_is_no_token(self) -> None:
        assert Settings.from_env({"KLING_API_KEY": "abc.def.ghi"}).api_key == "abc.def.ghi"

    def test_secrets_are_in_no_repr_of_the_settings(self) -> None:
        settings = Settings(api_key=API_KEY, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        assert "CANARY" not in repr(settings) + str(settings) + f"{settings}"
        assert set(settings.secrets) == {API_KEY, ACCESS_KEY, SECRET_KEY}

    def test_error_for_missing_credentials_names_the_variables_to_set(self) -> None:
        error = missing_credentials()
        assert error.kind == "missing_credentials"
        for name in ("KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_MCP_SANDBOX"):
            assert name in error.advice


class TestSecretFiles:
    @pytest.mark.parametrize("content", [API_KEY, f"{API_KEY}\n", f"{API_KEY}\r\n", f"\ufeff{API_KEY}"])
    def test_a_secret_may_come_from_a_file(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "key"
        path.write_bytes(content.encode())
        assert Settings.from_env({"KLING_API_KEY_FILE": str(path)}).api_key == API_KEY

    @pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
    def test_key_file_of_powershell_is_read(self, tmp_path: Path, mark: bytes, encoding: str) -> None:
        """Windows PowerShell's `>` writes UTF-16."""
        path = tmp_path / "key"
        path.write_bytes(mark + f"{API_KEY}\r\n".encode(encoding))
        assert Settings.from_env({"KLING_API_KEY_FILE": str(path)}).api_key == API_KEY

    def test_each_secret_has_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text(ACCESS_KEY)
        (tmp_path / "s").write_text(SECRET_KEY)
        files = {"KLING_ACCESS_KEY_FILE": str(tmp_path / "a"), "KLING_SECRET_KEY_FILE": str(tmp_path / "s")}
        assert Settings.from_env(files).secrets == (ACCESS_KEY, SECRET_KEY)

    def test_secret_given_as_variable_and_as_file_is_refused(self, tmp_path: Path) -> None:
        assert "keep one" in refusal(KLING_API_KEY=API_KEY, KLING_API_KEY_FILE=str(tmp_path / "key"))

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="only POSIX systems have this file")
    def test_a_file_without_an_end_is_too_large(self) -> None:
        assert "too large" in refusal(KLING_API_KEY_FILE="/dev/zero")

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "empty"),
            (b" \n", "empty"),
            (b"\xff\xff", "cannot be read (UnicodeDecodeError)"),
            (b"\xff\xfe\x00", "cannot be read (UnicodeDecodeError)"),
            (b"\xff\xfe", "empty"),
            (b"x" * 20_000, "too large"),
            (b'"quoted"', "quotes"),
            (b"two\nlines", "white space"),
        ],
    )
    def test_a_file_without_a_key_is_refused(self, tmp_path: Path, content: bytes, why: str) -> None:
        path = tmp_path / "key"
        path.write_bytes(content)
        sentence = refusal(KLING_API_KEY_FILE=str(path))
        assert sentence.startswith("KLING_API_KEY_FILE")
        assert why in sentence

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        assert "FileNotFoundError" in refusal(KLING_API_KEY_FILE=str(tmp_path / "none"))
        assert "IsADirectoryError" in refusal(KLING_API_KEY_FILE=str(tmp_path))


class TestRegionAndAddress:
    def test_region_chooses_the_host_of_kling(self) -> None:
        """facts: host-global, host-china"""
        assert Settings.from_env(BLANK).base_url == "https://api-singapore.klingai.com"
        assert Settings.from_env({"KLING_REGION": "global"}).base_url == "https://api-singapore.klingai.com"
        assert Settings.from_env({"KLING_REGION": "china"}).base_url == "https://api-beijing.klingai.com"

    @pytest.mark.parametrize(
        ("word", "region"), [("cn", "china"), ("CN", "china"), ("sg", "global"), ("intl", "global")]
    )
    def test_region_has_other_names_that_are_understood(self, word: str, region: str) -> None:
        assert Settings.from_env({"KLING_REGION": word}).region == region

    @pytest.mark.parametrize("name", ["KLING_API_BASE_URL", "KLING_API_BASE"])
    def test_address_has_other_names_that_are_read(self, name: str) -> None:
        address = "https://gateway.example.com/"
        assert Settings.from_env({name: address}).base_url == "https://gateway.example.com"
        assert Settings.from_env({name: "http://odd", "KLING_BASE_URL": address}).base_url == address.rstrip("/")
        assert refusal(**{name: "http://odd.example"}).startswith(f"{name} must be an https address")

    def test_unknown_region_is_refused(self) -> None:
        assert refusal(KLING_REGION="europe") == "KLING_REGION must be global or china; it is 'europe'."

    @pytest.mark.parametrize(
        ("value", "base_url"),
        [
            ("https://gateway.example.com/kling/", "https://gateway.example.com/kling"),
            ("HTTPS://gateway.example.com", "HTTPS://gateway.example.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://localhost:1", "http://localhost:1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("", "https://api-beijing.klingai.com"),
        ],
    )
    def test_an_address_overrides_the_region(self, value: str, base_url: str) -> None:
        assert Settings.from_env({"KLING_REGION": "china", "KLING_BASE_URL": value}).base_url == base_url

    @pytest.mark.parametrize(
        "value",
        [
            "http://api-singapore.klingai.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://192.168.0.7",
            "ftp://localhost",
            "api-singapore.klingai.com",
            "https://",
            "https://user:password@host.example",
            "https://host.example?x=1",
            "https://host.example#x",
            "https://host .example",
            "https://host.example:99999",
            "https://[::1",
        ],
    )
    def test_an_address_that_could_leak_a_credential_is_refused(self, value: str) -> None:
        sentence = refusal(KLING_BASE_URL=value)
        assert sentence.startswith("KLING_BASE_URL must be an https address")
        assert "password@" not in sentence


class TestNumbersAndSwitches:
    @pytest.mark.parametrize("value", ["-1", "601", "a", "1.5", "9" * 5000, "٣", "1e2"])
    def test_seconds_out_of_range(self, value: str) -> None:
        sentence = refusal(KLING_MCP_WAIT_SECONDS=value)
        assert sentence.startswith("KLING_MCP_WAIT_SECONDS must be a whole number from 0 to 600")
        assert len(sentence) < 200

    @given(st.integers(0, 600))
    def test_seconds_in_range(self, seconds: int) -> None:
        assert Settings.from_env({"KLING_MCP_WAIT_SECONDS": f" {seconds} "}).wait_seconds == seconds

    @pytest.mark.parametrize("value", ["0", "101", ""])
    def test_number_of_parallel_creations_is_bounded(self, value: str) -> None:
        if value:
            assert "from 1 to 100" in refusal(KLING_MCP_MAX_CREATES=value)
        else:
            assert Settings.from_env({"KLING_MCP_MAX_CREATES": value}).max_creates == 3

    @pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
    def test_words_for_on_switch_a_setting_on(self, word: str) -> None:
        assert Settings.from_env({"KLING_MCP_READ_ONLY": word}).read_only

    @pytest.mark.parametrize("word", ["0", "false", "No", "off", "", " "])
    def test_words_for_off_switch_a_setting_off(self, word: str) -> None:
        assert not Settings.from_env({"KLING_MCP_READ_ONLY": word}).read_only

    @pytest.mark.parametrize("name", ["KLING_MCP_READ_ONLY", "KLING_MCP_SANDBOX", "KLING_MCP_SHARED_ACCOUNT"])
    def test_unknown_word_for_a_switch_is_refused(self, name: str) -> None:
        assert refusal(**{name: "maybe"}) == f"{name} must be 1 or 0; it is 'maybe'."

    def test_unknown_log_level_is_refused(self) -> None:
        assert "KLING_MCP_LOG_LEVEL must be one of DEBUG, INFO" in refusal(KLING_MCP_LOG_LEVEL="loud")

    @pytest.mark.parametrize(
        "name", ["KLING_REGION", "KLING_BASE_URL", "KLING_MCP_TOOLS", "KLING_MCP_STATE_DIR", "KLING_MCP_SANDBOX"]
    )
    def test_a_placeholder_is_named(self, name: str) -> None:
        """Clients that do not know the syntax hand it on as it stands."""
        assert refusal(**{name: "${SOMETHING}"}).startswith(f"{name} holds the placeholder ${{SOMETHING}}")


class TestFolders:
    def test_a_folder_that_does_not_exist_is_refused(self, tmp_path: Path) -> None:
        gone = str(tmp_path / "gone")
        sentence = refusal(KLING_MCP_MEDIA_DIRS=f"{tmp_path}{os.pathsep}{gone}")
        assert sentence.startswith("KLING_MCP_MEDIA_DIRS")
        assert gone in sentence

    def test_a_relative_folder_is_refused(self) -> None:
        assert "full paths" in refusal(KLING_MCP_MEDIA_DIRS="pictures")

    def test_the_home_folder_may_be_abbreviated(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        environ = {"KLING_MCP_STATE_DIR": "~/state", "KLING_MCP_MEDIA_DIRS": "~"}
        settings = Settings.from_env(environ)
        assert (settings.state_dir, settings.media_dirs) == (tmp_path / "state", (tmp_path,))

    @pytest.mark.parametrize("name", ["KLING_MCP_STATE_DIR", "KLING_MCP_MEDIA_DIRS", "KLING_API_KEY_FILE"])
    def test_home_folder_of_an_unknown_user_is_refused(self, name: str) -> None:
        assert refusal(**{name: "~nobody-has-this-name/x"}).startswith(f"{name} begins with ~")


class TestReadableFolders:
    """Where pictures are read from: what is set, else the working and the home directory over stdio, none over http."""

    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        return home

    def test_readable_folders_have_defaults_over_stdio_alone(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert Settings().readable_dirs("stdio") == (tmp_path, home)
        assert Settings().readable_dirs("http") == ()

    def test_configured_folders_replace_the_defaults(self, home: Path, tmp_path: Path) -> None:
        settings = Settings(media_dirs=(tmp_path,))
        assert settings.readable_dirs("stdio") == settings.readable_dirs("http") == (tmp_path,)

    def test_the_root_of_a_disk_is_never_a_default(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Desktop clients start their servers there, and containers have it as a home."""
        monkeypatch.chdir("/")
        assert Settings().readable_dirs("stdio") == (home,)
        monkeypatch.setenv("HOME", "/")
        assert Settings().readable_dirs("stdio") == ()

    def test_a_deleted_working_directory_is_no_crash(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert Settings().readable_dirs("stdio") == (home,)

    def test_a_user_without_a_home_is_no_crash(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As containers run under a number that no list of users has."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
        assert Settings().readable_dirs("stdio") == (tmp_path,)

    def test_the_state_has_a_folder_of_its_own(self, home: Path) -> None:
        assert "kling-mcp" in str(default_state_dir())


class TestOutputFolder:
    """Where results are saved: what is set, else below the videos over stdio, nowhere over http and in the sandbox."""

    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        for name in ("XDG_VIDEOS_DIR", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        return home

    @pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="they have settings of their own for folders")
    def test_default_is_the_video_folder_of_the_user(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert Settings().output_folder("stdio") == home / "Videos" / "kling-mcp"
        config = home / ".config"
        config.mkdir()
        (config / "user-dirs.dirs").write_text('XDG_VIDEOS_DIR="$HOME/Filme"\n')
        assert Settings().output_folder("stdio") == home / "Filme" / "kling-mcp"
        monkeypatch.setenv("XDG_VIDEOS_DIR", str(home / "elsewhere"))
        assert Settings().output_folder("stdio") == home / "elsewhere" / "kling-mcp"

    @pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="they have settings of their own for folders")
    def test_video_folder_without_a_place_is_replaced_by_the_home(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_VIDEOS_DIR", str(tmp_path / "no disk" / "Videos"))
        assert Settings().output_folder("stdio") == home / "kling-mcp"

    def test_user_without_a_home_has_no_output_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("HOME", "XDG_VIDEOS_DIR", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
        assert Settings().output_folder("stdio") is None

    def test_http_and_the_sandbox_save_nothing_by_default(self, home: Path, tmp_path: Path) -> None:
        assert Settings().output_folder("http") is None
        assert Settings(sandbox=True).output_folder("stdio") is None
        chosen = Settings(sandbox=True, output_dir=tmp_path)
        assert chosen.output_folder("stdio") == chosen.output_folder("http") == tmp_path

    @pytest.mark.parametrize("word", ["off", "OFF", " off ", "0", "no", "false", '"off"'])
    def test_off_saves_nothing(self, home: Path, word: str) -> None:
        settings = Settings.from_env({"KLING_MCP_OUTPUT_DIR": word})
        assert (settings.output_dir, settings.output_folder("stdio")) == (False, None)

    def test_relative_folder_is_refused(self) -> None:
        assert refusal(KLING_MCP_OUTPUT_DIR="films").startswith(
            "KLING_MCP_OUTPUT_DIR must be the full path of a folder"
        )


@pytest.mark.parametrize("name", ["KLING_MCP_MEDIA_DIRS", "KLING_REGION", "KLING_MCP_WAIT_SECONDS"])
def test_a_refusal_does_not_repeat_all_of_a_long_value(name: str) -> None:
    assert len(refusal(**{name: "x" * 10_000})) < 500
