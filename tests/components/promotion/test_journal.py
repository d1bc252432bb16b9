"""The history of a model as a file, and what it says of who was champion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.promotion.errors import PromotionError
from components.promotion.journal import Agreed, End, Intent, Journal

WHO = {"when": "2026-11-22T12:00:00Z", "who": "ada@lab"}


def intent(number, verb, before, to, label="stable", **more):
    alias = {"stable": "champion", "canary": "challenger"}[label]
    named = {"id": str(number), "model": "m", "verb": verb, "label": label, "alias": alias, "why": ""}
    return Intent(**WHO, **named, from_version=before, to_version=to, metrics={}, **more)


def written(journal, *moves):
    """Writes moves that all are done: (verb, from, to)."""
    for number, (verb, before, to) in enumerate(moves):
        journal.append(intent(number, verb, before, to))
        journal.append(End(**WHO, id=str(number), outcome="done"))
    return journal


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "promotions", "m")


def test_without_a_file_nothing_has_been(journal):
    assert (journal.entries(), journal.unfinished(), journal.live(), journal.before(None)) == ([], None, {}, None)
    assert not journal.path.parent.exists()


def test_what_is_written_is_read(journal):
    first = intent(1, "promote", None, 1, drops="canary", forced=True, verdict="run-1")
    journal.append(first)
    assert (journal.unfinished(), journal.live()) == (first, {})
    journal.append(End(**WHO, id="1", outcome="done", note="so"))
    (entry,) = journal.entries()
    assert (entry.intent, entry.outcome, entry.end.note) == (first, "done", "so")
    assert (journal.unfinished(), journal.live()) == (None, {"stable": 1})
    assert len(journal.path.read_text().splitlines()) == 2


def test_a_line_that_a_crash_cut_off_counts_for_nothing_and_the_next_takes_its_place(journal):
    written(journal, ("promote", None, 1))
    whole = journal.path.read_bytes()
    for cut in (1, 20, 200):
        journal.path.write_bytes(whole + whole[:cut].replace(b"\n", b""))
        assert journal.live() == {"stable": 1}
    written(journal, ("promote", 1, 2))
    assert journal.path.read_bytes().startswith(whole)
    assert journal.live() == {"stable": 2}


def test_a_line_that_is_none_is_refused_with_the_file(journal):
    written(journal, ("promote", None, 1))
    journal.path.write_text('{"event": "elsewhere"}\n' + journal.path.read_text())
    with pytest.raises(PromotionError, match=r"A history with a promotion in each line.*m\.jsonl") as caught:
        journal.entries()
    assert "\n" not in str(caught.value)


def test_what_was_refused_or_taken_back_has_not_been(journal):
    written(journal, ("promote", None, 1))
    for number, outcome in ((7, "refused"), (8, "taken back")):
        journal.append(intent(number, "promote", 1, 5))
        journal.append(End(**WHO, id=str(number), outcome=outcome))
    assert (journal.live(), journal.before(1), journal.unfinished()) == ({"stable": 1}, None, None)


def test_a_canary_that_became_stable_is_none_any_more_and_no_champion_of_before(journal):
    journal.append(intent(1, "publish", None, 4, "canary"))
    journal.append(End(**WHO, id="1", outcome="done"))
    assert (journal.live(), journal.before(None)) == ({"canary": 4}, None)
    journal.append(intent(2, "promote", 3, 4, drops="canary"))
    journal.append(End(**WHO, id="2", outcome="done"))
    assert (journal.live(), journal.before(4)) == ({"stable": 4}, 3)


def test_a_verdict_is_answered_once_moved_or_agreed_with(journal):
    journal.append(intent(1, "publish", None, 1, verdict="run-1"))
    assert not journal.answered("run-1", "stable", 1)
    journal.append(End(**WHO, id="1", outcome="done"))
    assert journal.answered("run-1", "stable", 1)
    assert not journal.answered("run-1", "canary", 1)
    assert not journal.answered("run-1", "stable", 2)
    journal.append(Agreed(**WHO, label="stable", version=1, verdict="run-2"))
    assert journal.answered("run-2", "stable", 1)
    assert len(journal.entries()) == 1


@pytest.mark.parametrize(
    ("moves", "live", "before"),
    [
        ([("publish", None, 1)], 1, None),
        ([("publish", None, 1), ("publish", 1, 2)], 2, 1),
        ([("publish", None, 1), ("publish", 1, 2), ("rollback", 2, 1)], 1, None),
        ([("publish", None, 1), ("publish", 1, 2), ("publish", 2, 3), ("rollback", 3, 2)], 2, 1),
        ([("publish", None, 1), ("publish", 1, 2), ("rollback", 2, 1), ("promote", 1, 3)], 3, 1),
        ([("publish", None, 1), ("publish", 1, 2), ("promote", 2, 1)], 1, 2),
        ([("promote", 5, 6)], 6, 5),
        ([("publish", None, 1), ("publish", 1, 2)], 3, 2),
        ([("publish", None, 1), ("publish", 1, 2)], None, 1),
        ([("publish", None, 1), ("promote", 4, 5)], 5, 4),
    ],
    ids=str,
)
def test_where_a_rollback_goes(journal, moves, live, before):
    assert written(journal, *moves).before(live) == before


@settings(deadline=None)
@given(choices=st.lists(st.one_of(st.integers(1, 5), st.none()), max_size=30))
def test_rollbacks_go_back_through_what_promotions_put_there(tmp_path_factory, choices):
    """None rolls back; a number is promoted. A plain stack is what the history must be read as."""
    journal, stack, moves = Journal(tmp_path_factory.mktemp("h"), "m"), [], []
    for choice in choices:
        live = stack[-1] if stack else None
        if choice is None:
            assert written_before(journal, moves, live) == (stack[-2] if len(stack) > 1 else None)
            if len(stack) < 2:
                continue
            stack.pop()
            moves.append(("rollback", live, stack[-1]))
        elif choice != live:
            stack.append(choice)
            moves.append(("promote", live, choice))
    assert written_before(journal, moves, stack[-1] if stack else None) == (stack[-2] if len(stack) > 1 else None)


def written_before(journal, moves, live):
    """Reads a history that is written at once, without waiting for the disk."""
    lines = []
    for number, (verb, before, to) in enumerate(moves):
        lines += [intent(number, verb, before, to), End(**WHO, id=str(number), outcome="done")]
    journal.path.write_text("".join(f"{line.model_dump_json()}\n" for line in lines))
    return journal.before(live)
