"""What clients really send, and what is made of it: forgiving in encoding, strict in meaning."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from kling_mcp.errors import InputError
from kling_mcp.server.arguments import ToolArguments, parse_arguments, require_exact_ids
from kling_mcp.server.schemas import plain_schema


class Everything(ToolArguments):
    """One argument of each type that tools have."""

    name: str = ""
    pictures: list[str] = Field(default_factory=list)
    size: int = Field(30, ge=1, le=500)
    again: bool = False
    kind: Literal["image_refer", "video_refer"] = "image_refer"
    voiced: Literal["any", "yes", "no"] = "any"


class Required(ToolArguments):
    """A choice without a default."""

    kind: Literal["image_refer", "video_refer"]


class Bounded(ToolArguments):
    """Numbers with one bound, and a short text."""

    least: int = Field(ge=0)
    most: int = Field(5, le=10)
    text: str = Field("", max_length=3)


class Ids(ToolArguments):
    """Texts without defaults."""

    element_id: str
    element_name: str


def read(**raw: Any) -> Everything:
    return parse_arguments(Everything, raw)


def refusal(model: type[ToolArguments] = Everything, /, **raw: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_arguments(model, raw)
    return caught.value


JPEG = "data:image/jpeg;base64,/9j/4AAQSkZJRg=="
PNG = "data:image/png;base64,iVBORw0KGgo="


class TestLists:
    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            (["a.png", "b.png"], ["a.png", "b.png"]),
            ([" a.png ", "", "  "], ["a.png"]),
            ([], []),
            ("", []),
            ('["a.png", "b.png"]', ["a.png", "b.png"]),
            (' [ "a.png" ] ', ["a.png"]),
            ("[]", []),
            ("a.png,b.png", ["a.png", "b.png"]),
            ("a.JPG, b.jpeg , c.png", ["a.JPG", "b.jpeg", "c.png"]),
            ("a.png\nb.png\r\nc.png\n", ["a.png", "b.png", "c.png"]),
            ("a.png", ["a.png"]),
            ("a.png,", ["a.png"]),
            ("Character, Animal", ["Character", "Animal"]),
            ("o_102", ["o_102"]),
            (7, ["7"]),
            ([7, "8"], ["7", "8"]),
            ("[7]", ["7"]),
            # Names of files may contain commas; the next source begins visibly.
            ("/pics/Smith, John.png", ["/pics/Smith, John.png"]),
            ("Smith, John.png", ["Smith, John.png"]),
            ("/pics/Smith, John.png,/pics/b.png", ["/pics/Smith, John.png", "/pics/b.png"]),
            ("~/a, b.png, ~/c.png", ["~/a, b.png", "~/c.png"]),
            (r"C:\a, b.png,D:\c.png", [r"C:\a, b.png", r"D:\c.png"]),
            ("./a.webp,../b.webp", ["./a.webp", "../b.webp"]),
            ("file:///a.png,file:///b.png", ["file:///a.png", "file:///b.png"]),
            ("https://x.example/a?b=1,2,https://y.example/c", ["https://x.example/a?b=1,2", "https://y.example/c"]),
            # The comma of a data: URI is its own, and Base64 of a JPEG begins like a path.
            (JPEG, [JPEG]),
            (f"{JPEG},{PNG}", [JPEG, PNG]),
            (f"{PNG}, {JPEG}, /pics/a.png", [PNG, JPEG, "/pics/a.png"]),
            (f"/pics/a.png,{JPEG}", ["/pics/a.png", JPEG]),
            (f"{JPEG}\n{PNG}", [JPEG, PNG]),
            # What only looks like JSON.
            ("[a.png", ["[a.png"]),
            ("[draft] a.png", ["[draft] a.png"]),
            ("[" * 4000, ["[" * 4000]),
            ("{a}.png", ["{a}.png"]),
            ('{"image_url": "a.png"}', ['{"image_url": "a.png"}']),
            # Python's spelling. Only quotes and backslashes are escaped, so a path written by hand stays one.
            ("['a.png']", ["a.png"]),
            ("['a.png', \"b's.png\",]", ["a.png", "b's.png"]),
            ("[ 'Mia, the barista' , 'Rex' ]", ["Mia, the barista", "Rex"]),
            (
                r"['it\'s.png', 'C:\\pics\\new.png', 'C:\temp\a.png']",
                ["it's.png", r"C:\pics\new.png", r"C:\temp\a.png"],
            ),
            ("['a.png' 'b.png']", ["['a.png' 'b.png']"]),
            ("['a.png", ["['a.png"]),
            # JSON within JSON.
            (['["a.png", "b.png"]'], ["a.png", "b.png"]),
            ('["[\\"a.png\\"]"]', ["a.png"]),
            (json.dumps(json.dumps(["a.png"])), ["a.png"]),
            (["['a.png']", "b.png"], ["a.png", "b.png"]),
            ([["a.png"], ["b.png"]], ["a.png", "b.png"]),
            # Wrapped entries.
            ([{"item": "a.png"}, {"item": "b.png"}], ["a.png", "b.png"]),
            ({"item": ["a.png", "b.png"]}, ["a.png", "b.png"]),
            ({"item": "a.png"}, ["a.png"]),
            ('[{"item": "a.png"}]', ["a.png"]),
            ('{"item": ["a.png"]}', ["a.png"]),
            ([{"item": '["a.png"]'}], ["a.png"]),
        ],
    )
    def test_lists_are_read_in_every_encoding(self, given: object, meant: list[str]) -> None:
        assert read(pictures=given).pictures == meant

    @pytest.mark.parametrize("item", [None, True, 1.5, {"image_url": "a.png"}, {"item": None}, {"item": 1, "b": 2}])
    def test_items_that_are_no_text_are_refused(self, item: object) -> None:
        for encoded in ([item], json.dumps([item])):
            assert [problem.rule for problem in refusal(pictures=encoded).problems] == ["must be text"]

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)))
    def test_a_json_string_means_the_list_that_it_holds(self, items: list[str]) -> None:
        assert read(pictures=json.dumps(items)) == read(pictures=items)

    @given(st.lists(st.from_regex(r"[a-zA-Z0-9 ,'\"\\/.]{0,12}[a-z]", fullmatch=True)))
    def test_a_list_as_python_writes_it_means_that_list(self, items: list[str]) -> None:
        assert read(pictures=str(items)) == read(pictures=items)

    def test_layers_of_encoding_have_an_end(self) -> None:
        text = "a.png"
        for _ in range(8):
            text = json.dumps([text])
        (left,) = read(pictures=text).pictures
        assert left.startswith("[")


class TestNumbersAndSwitches:
    @pytest.mark.parametrize("blank", ["", "  ", None])
    def test_blank_number_that_is_optional_counts_as_not_given(self, blank: str | None) -> None:
        arguments = read(size=blank)
        assert (arguments.size, "size" in arguments.model_fields_set) == (30, False)

    def test_blank_number_that_must_be_given_is_refused(self) -> None:
        (problem,) = refusal(Bounded, least="").problems
        assert problem.rule == "must be a whole number"

    def test_fix_names_the_bounds_that_a_number_has(self) -> None:
        told = refusal(Bounded, least=-1, most=11, text="abcd").problems
        assert [problem.fix for problem in told] == ["send 0 or more", "send 10 or less", "shorten it"]
        assert refusal(size=0).problems[0].fix == "send 1 to 500"

    @pytest.mark.parametrize("given", [7, "7", " 7 ", "7.0", 7.0])
    def test_integers_are_read_in_every_encoding(self, given: object) -> None:
        assert read(size=given).size == 7

    @pytest.mark.parametrize("given", ["seven", "7.5", 7.5, True, "1e2", [7], {}, "9" * 40, float("inf")])
    def test_value_that_is_no_integer_is_refused(self, given: object) -> None:
        (problem,) = refusal(size=given).problems
        assert (problem.argument, problem.rule) == ("size", "must be a whole number")

    @pytest.mark.parametrize("given", ["5s", "5 s", " 5 seconds "])
    def test_number_with_a_unit_is_answered_with_its_digits(self, given: str) -> None:
        (problem,) = refusal(size=given).problems
        assert problem.fix == "send 5"

    @pytest.mark.parametrize(
        ("given", "bound"), [(0, "greater than or equal to 1"), ("501", "less than or equal to 500")]
    )
    def test_integer_out_of_range_is_refused_with_the_bound(self, given: object, bound: str) -> None:
        (problem,) = refusal(size=given).problems
        assert problem.rule == f"must be {bound}"
        assert problem.actual == f'"{int(str(given))}"'
        assert problem.fix == "send 1 to 500"

    @pytest.mark.parametrize("given", [True, "true", "True", "1", 1, "yes", "on"])
    def test_words_for_true_are_read(self, given: object) -> None:
        assert read(again=given).again is True

    @pytest.mark.parametrize("given", [False, "false", "FALSE", "0", 0, "no", "off", ""])
    def test_words_for_false_are_read(self, given: object) -> None:
        assert read(again=given).again is False

    @pytest.mark.parametrize("given", ["maybe", 2, [], {"a": 1}])
    def test_value_that_is_neither_true_nor_false_is_refused(self, given: object) -> None:
        (problem,) = refusal(again=given).problems
        assert (problem.argument, problem.rule) == ("again", "must be true or false")

    @pytest.mark.parametrize("name", Everything.model_fields)
    def test_null_means_not_given(self, name: str) -> None:
        assert parse_arguments(Everything, {name: None}) == Everything.model_validate({})


class TestWords:
    @pytest.mark.parametrize("given", ["video_refer", "VIDEO_REFER", " Video_Refer "])
    def test_letter_case_does_not_matter(self, given: str) -> None:
        assert read(kind=given).kind == "video_refer"

    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("photo", "image_refer"),
            ("image", "image_refer"),
            ("picture", "image_refer"),
            ("Photos of Mia", "image_refer"),
            ("imagerefer", "image_refer"),
            ("video", "video_refer"),
            ("clip", "video_refer"),
            ("video-clip", "video_refer"),
        ],
    )
    def test_unknown_choice_is_answered_with_the_likely_one(self, given: str, meant: str) -> None:
        for model in (Everything, Required):
            (problem,) = refusal(model, kind=given).problems
            assert problem.rule == "must be one of image_refer, video_refer"
            assert problem.fix == f"did you mean {meant}?"

    def test_only_an_optional_choice_may_be_left_out(self) -> None:
        assert refusal(kind="xyz").problems[0].fix == "send one of them, or leave it out"
        assert refusal(Required, kind="xyz").problems[0].fix == "send one of them"

    @pytest.mark.parametrize("given", [None, 7, True, ["image_refer"], {}, ""])
    def test_value_that_is_no_word_is_answered_with_the_choices(self, given: object) -> None:
        (problem,) = refusal(Required, kind=given).problems
        assert problem.rule == "must be one of image_refer, video_refer"

    def test_missing_choice_is_named_with_its_words(self) -> None:
        (problem,) = refusal(Required).problems
        assert str(problem) == "kind: must be one of image_refer, video_refer; got nothing. Fix: send one of them"

    @pytest.mark.parametrize("given", ["", " "])
    def test_empty_text_is_no_choice(self, given: str) -> None:
        assert read(kind=given).kind == "image_refer"

    @pytest.mark.parametrize(
        ("given", "meant"), [(True, "yes"), ("true", "yes"), (1, "yes"), (False, "no"), ("False", "no"), ("any", "any")]
    )
    def test_switch_is_read_where_yes_and_no_are_choices(self, given: object, meant: str) -> None:
        assert read(voiced=given).voiced == meant


class TestText:
    @pytest.mark.parametrize("given", ["", " spaces stay ", "829836802793406551", "8.8E+17"])
    def test_text_is_taken_as_it_is(self, given: str) -> None:
        assert read(name=given).name == given

    @pytest.mark.parametrize("number", [160, 2**53 - 1, -(2**53 - 1)])
    def test_a_number_becomes_its_digits(self, number: int) -> None:
        assert read(name=number).name == str(number)

    @pytest.mark.parametrize("number", [2**53, 829836802793406551, -(2**53)])
    def test_a_rounded_id_is_refused(self, number: int) -> None:
        """fact: id-as-string: clients round such numbers on the way, and a wrong id is worse than none"""
        for raw in ({"name": number}, {"pictures": number}, {"pictures": [number]}, {"pictures": f"[{number}]"}):
            (problem,) = refusal(**raw).problems
            assert "above 9007199254740991 or with a point is rounded on the way" in problem.rule
            assert "double quotes" in problem.fix

    @pytest.mark.parametrize("number", [8.81199455830155e17, 160.0])
    def test_a_decimal_number_is_no_id(self, number: float) -> None:
        (problem,) = refusal(name=number).problems
        assert "is rounded on the way" in problem.rule

    @pytest.mark.parametrize("given", ["8.81199455830155E+17", "8,81199455830155e17", " 160.0 ", "160,0", "8E17"])
    def test_id_from_a_spreadsheet_is_refused_where_only_an_id_fits(self, given: str) -> None:
        with pytest.raises(InputError, match="rounded on the way, in a spreadsheet"):
            require_exact_ids("ids", ["881199455830155001", given])

    @pytest.mark.parametrize("given", ["881199455830155001", "160", "kmcp-4f1c09", "1e", "e17", "v2.0", "1.5", ""])
    def test_every_other_id_passes(self, given: str) -> None:
        require_exact_ids("ids", [given])

    @pytest.mark.parametrize("given", [True, 1.5, [], {}, ["a"]])
    def test_value_that_is_no_text_is_refused(self, given: object) -> None:
        (problem,) = refusal(name=given).problems
        assert (problem.argument, problem.rule) == ("name", "must be text")


class TestNames:
    @pytest.mark.parametrize(
        ("given", "nearest"),
        [("picturess", "pictures"), ("Naem", "name"), ("nmae", "name"), ("picture", "pictures")],
    )
    def test_an_unknown_name_is_answered_with_the_nearest(self, given: str, nearest: str) -> None:
        (problem,) = refusal(**{given: "x"}).problems
        assert problem.argument == f'"{given}"'
        assert problem.fix.startswith(f"did you mean {nearest}?")
        assert problem.fix.endswith("the arguments are name, pictures, size, again, kind, voiced")

    def test_argument_unlike_any_known_name_should_be_left_out(self) -> None:
        (problem,) = refusal(zzz="CANARY").problems
        assert problem.fix.startswith("leave it out")
        assert "CANARY" not in str(problem)  # somebody may have put a key there

    def test_a_tool_without_arguments_says_so(self) -> None:
        class Nothing(ToolArguments):
            pass

        (problem,) = refusal(Nothing, verbose=True).problems
        assert problem.fix.endswith("the arguments are none")

    def test_a_name_is_shown_harmlessly(self) -> None:
        (problem,) = refusal(**{'x"\n\u202e' + "y" * 100: 1}).problems
        assert problem.argument.isprintable()
        assert len(problem.argument) <= 42


def test_problems_of_all_arguments_are_reported_together() -> None:
    error = refusal(nmae="Mia", pictures=[True], size="many", again="maybe", kind="song")
    assert sorted(problem.argument for problem in error.problems) == ['"nmae"', "again", "kind", "pictures", "size"]
    assert error.for_caller().startswith("5 problems with the input:\n")


def test_missing_arguments_are_named_beside_wrong_ones() -> None:
    error = refusal(Ids, element_id=True, elment_name="Mia")
    assert {(problem.argument, problem.rule) for problem in error.problems} == {
        ("element_id", "must be text"),
        ('"elment_name"', "must be an argument of this tool"),
        ("element_name", "must be given"),
    }


def test_null_does_not_count_as_a_required_argument() -> None:
    error = refusal(Ids, element_id=None, element_name="Mia")
    assert [(problem.argument, problem.rule) for problem in error.problems] == [("element_id", "must be text")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Everything.model_fields, "other"]), json_values))
def test_arbitrary_arguments_are_read_or_refused(raw: dict[str, Any]) -> None:
    """They are read or refused, and what was read has the promised types."""
    try:
        parsed = parse_arguments(Everything, raw)
    except InputError as error:
        assert error.problems  # noqa: PT017 - either way out is right
        return
    assert Everything.model_validate(parsed.model_dump()) == parsed


class TestSchemas:
    def test_nested_models_are_written_out(self) -> None:
        class Inner(BaseModel):
            """Not for clients."""

            title: str

        class Outer(BaseModel):
            """Not for clients."""

            rows: list[Inner]

        schema = plain_schema(Outer)
        row = schema["properties"]["rows"]["items"]
        assert row == {"properties": {"title": {"type": "string"}}, "required": ["title"], "type": "object"}
        assert "description" not in schema

    def test_a_type_that_clients_cannot_read_is_a_defect_of_ours(self) -> None:
        class Union(BaseModel):
            value: int | None

        with pytest.raises(TypeError, match="anyOf"):
            plain_schema(Union)


def test_a_list_of_thousands_is_refused_in_one_sentence() -> None:
    many = [f"name {number}" for number in range(3000)]
    for sent in (many, json.dumps(many), "\n".join(many)):
        [problem] = refusal(pictures=sent).problems
        assert (problem.argument, problem.actual) == ("pictures", '"more of them"')
        assert "at most 1000" in problem.rule
