"""What `make mutants` changes. It is not run here: it takes long."""

from __future__ import annotations

import ast

import mutants

SAMPLE = '''
async def settle(names: list[str | None], now: float = 0.0) -> bool:
    """Nothing in here is a mutant."""
    if not names or now <= 1:
        return None
    await journal.save(f"{now + 1} é", is_last=True)
    count = len(names) - 1
    count += 2
    replace(entry, label=names[count], memo={})
    return names[count] is not None
'''


def test_mutants_of_a_module_are_all_made() -> None:
    changes = [mutant.change.partition("   in   ")[0] for mutant in mutants.mutants_of("sample.py", SAMPLE)]
    assert sorted(changes) == sorted(
        [
            "0.0  ->  1.0",
            "not names or now <= 1  ->  not names and now <= 1",
            "not names  ->  names",
            "now <= 1  ->  now < 1",
            "1  ->  0",
            "await journal.save(f'{now + 1} é', is_last=True)  ->  pass",
            "True  ->  False",
            "len(names) - 1  ->  len(names) + 1",
            "1  ->  0",
            "count += 2  ->  count -= 2",
            "replace(entry, label=names[count], memo={})  ->  pass",
            "replace(entry, label=names[count], memo={})  ->  replace(entry, memo={})",
            "replace(entry, label=names[count], memo={})  ->  replace(entry, label=names[count])",
            "return names[count] is not None  ->  return None",
            "names[count] is not None  ->  names[count] is None",
        ]
    )


def test_every_mutant_of_the_core_is_a_program_that_says_something_else() -> None:
    made = mutants.sample(mutants.CORE, None, seed=0)
    assert len(made) > 500
    for module in mutants.CORE:
        source = (mutants.ROOT / "kling_mcp" / module).read_text("utf-8")
        unchanged = ast.dump(ast.parse(source))
        same = [m for m in made if m.module == module and ast.dump(ast.parse(m.source)) == unchanged]
        assert same == []


def test_sample_of_mutants_can_be_repeated_with_its_seed() -> None:
    one, again, other = (mutants.sample(["tasks/lookup.py"], 5, seed) for seed in (1, 1, 2))
    assert one == again != other
    assert len(one) == len(other) == 5


def test_tests_of_a_module_are_found_by_its_name() -> None:
    assert mutants.near_tests("tasks/lookup.py") == ["tests/tasks/test_lookup.py"]
    assert mutants.near_tests("tasks/kind.py") == []
    assert all((mutants.ROOT / test).is_file() for module in mutants.CORE for test in mutants.near_tests(module))
