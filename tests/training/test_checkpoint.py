"""Checkpoints: what was written comes back bit by bit, or is noticed and passed over."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DiskFull, ResumeRefused
from core.training import checkpoint, hashed
from core.training.checkpoint import MANIFEST, STATE, TENSORS, fingerprint, generators, newest, set_generators

FILES = (TENSORS, STATE, MANIFEST)
IDENTITY = {"recipe": "a" * 64, "data": "b" * 64, "threads": "2"}


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(12.0).reshape(3, 4) + step, "moments": torch.full((5,), step / 7)}


def put(folder: Path, *steps: int, keep: int = 2) -> Path:
    for step in steps:
        checkpoint.write(folder, step, tensors(step), {"step": step, "best": -math.inf}, IDENTITY, keep)
    return folder / f"step-{steps[-1]:08d}"


def found(folder: Path, identity: dict[str, str] | None = IDENTITY) -> checkpoint.Loaded:
    result = newest(folder, identity).found
    assert result is not None
    return result


def bits(tensor: torch.Tensor) -> tuple[Any, ...]:
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    return tensor.dtype, tuple(tensor.shape), bytes(raw.tolist())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ----------------------------------------------------------------- round trips


def test_every_type_and_shape_comes_back_bit_by_bit(tmp_path: Path) -> None:
    noise = torch.randint(0, 256, (48,), dtype=torch.uint8)
    kept = {
        str(dtype): noise.view(dtype).clone()
        for dtype in (torch.uint8, torch.int64, torch.bfloat16, torch.float16, torch.float32, torch.float64)
    }
    kept |= {
        "bool": noise > 100,
        "a number": torch.tensor(3.25),
        "a whole number": torch.tensor(2**62 + 1),
        "one bit": torch.tensor(True),
        "nothing": torch.empty(0, 7),
        "special": torch.tensor([math.nan, math.inf, -math.inf, -0.0]),
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "ünï \ud800": torch.ones(2),
        "large": torch.rand(600_000),  # long enough for the second thread
    }
    written = checkpoint.write(tmp_path, 3, kept, {}, IDENTITY)
    back = found(tmp_path)
    assert {name: bits(t) for name, t in back.tensors.items()} == {name: bits(t) for name, t in kept.items()}
    assert back.step == 3
    assert back.path == written.path == tmp_path / "step-00000003"
    assert written.bytes == sum((written.path / name).stat().st_size for name in FILES)


def test_shared_and_strided_tensors_come_back_as_their_own(tmp_path: Path) -> None:
    base = torch.arange(20.0).reshape(4, 5)
    kept = {"base": base, "alias": base, "row": base[1], "turned": base.t(), "wide": base[:1].expand(3, 5)}
    kept |= {"every other": base.reshape(-1)[::2], "flags": (base > 7).reshape(-1)[1::3]}
    checkpoint.write(tmp_path, 1, kept, {}, IDENTITY)
    back = found(tmp_path).tensors
    assert all(torch.equal(back[name], kept[name]) for name in kept)
    back["base"].zero_()
    assert torch.equal(back["alias"], base)


def test_the_tensors_file_is_plain_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    kept = {**tensors(4), "flag": torch.tensor(True), "half": torch.ones(3, dtype=torch.bfloat16)}
    path = checkpoint.write(tmp_path, 4, kept, {}, IDENTITY).path
    plain = load_file(path / TENSORS)
    assert {name: bits(t) for name, t in plain.items()} == {name: bits(t) for name, t in kept.items()}


def test_a_sparse_tensor_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="sparse"):
        checkpoint.write(tmp_path, 1, {"x": torch.eye(2).to_sparse()}, {}, IDENTITY)
    assert names(tmp_path) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def exact(value: Any) -> Any:
    if isinstance(value, float):
        return "float", struct.pack(">d", value)
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, dict):
        return [(key, exact(item)) for key, item in value.items()]
    return type(value), value


@given(value=json_values)
@settings(max_examples=50, deadline=None)
def test_every_float_of_the_state_comes_back_with_the_same_bits(value: Any) -> None:
    told = json.dumps(checkpoint._plain({"value": value}), allow_nan=False)
    assert exact(json.loads(told, object_hook=checkpoint._float)) == exact({"value": value})


def test_the_state_comes_back_with_infinities(tmp_path: Path) -> None:
    state = {
        "best": -math.inf,
        "mark": [math.inf, 0.1 + 0.2, -0.0, 5e-324],
        "name": "Zoë \ud800",
        "none": None,
    }
    checkpoint.write(tmp_path, 1, {}, state, IDENTITY)
    assert exact(found(tmp_path).state) == exact(state)
    assert (
        b"Infinity" not in (tmp_path / "step-00000001" / STATE).read_bytes()
    )  # JSON as other readers know it


@pytest.mark.parametrize("value", [{1: "a"}, {"float64": "x"}, np.float32(1), {1, 2}, b"x"])
def test_a_state_that_would_change_in_json_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        checkpoint.write(tmp_path, 1, {}, {"value": value}, IDENTITY)


# ----------------------------------------------------------------- damage


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_any_byte_is_noticed(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, 7, 9) / name
    whole = path.read_bytes()
    chance = random.Random(0)
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        result = newest(tmp_path, IDENTITY)
        assert result.found is not None
        assert result.found.step == 7
        assert torch.equal(result.found.tensors["weight"], tensors(7)["weight"])
        assert result.notes == [
            f"The checkpoint after step 9 is damaged ({name} has changed), so the one before it is taken."
        ]
    path.write_bytes(whole)
    assert found(tmp_path).step == 9


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_any_length_is_noticed(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, 7, 9) / name
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert found(tmp_path).step == 7
    path.write_bytes(whole + b"\n")
    assert found(tmp_path).step == 7


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (put(tmp_path, 7, 9) / name).unlink()
    result = newest(tmp_path, IDENTITY)
    assert result.found is not None
    assert result.found.step == 7
    assert result.notes == [
        f"The checkpoint after step 9 is damaged ({name} is missing), so the one before it is taken."
    ]


def test_an_empty_newest_folder_falls_back(tmp_path: Path) -> None:
    put(tmp_path, 7)
    (tmp_path / "step-00000009").mkdir()
    assert found(tmp_path).step == 7


def test_a_file_or_a_folder_in_the_wrong_place_is_passed_over(tmp_path: Path) -> None:
    path = put(tmp_path, 7, 9)
    (tmp_path / "step-00000012").write_text("not a folder")
    (path / TENSORS).unlink()
    (path / TENSORS).mkdir()
    result = newest(tmp_path, IDENTITY)
    assert result.found is not None
    assert result.found.step == 7
    assert len(result.notes) == 2


def test_files_of_another_checkpoint_are_noticed(tmp_path: Path) -> None:
    path = put(tmp_path, 7, 9)
    for name in FILES:
        whole = (path / name).read_bytes()
        shutil.copy(tmp_path / "step-00000007" / name, path / name)
        assert found(tmp_path).step == 7
        (path / name).write_bytes(whole)


def test_a_checkpoint_under_the_name_of_another_step_is_noticed(tmp_path: Path) -> None:
    put(tmp_path, 7, 9).rename(tmp_path / "step-00000011")
    result = newest(tmp_path, IDENTITY)
    assert result.found is not None
    assert result.found.step == 7
    assert "after step 11 is damaged (manifest.json is that of step 9)" in result.notes[0]


def test_where_all_are_damaged_nothing_is_found_and_it_is_said(tmp_path: Path) -> None:
    (put(tmp_path, 7, 9) / STATE).unlink()
    (tmp_path / "step-00000007" / MANIFEST).write_bytes(b"\0" * 100)
    result = newest(tmp_path, IDENTITY)
    assert result.found is None
    assert result.notes == [
        "The checkpoint after step 9 is damaged (state.json is missing), and so is the one before it.",
        "The checkpoint after step 7 is damaged (manifest.json has changed), and there is none before it.",
    ]


def test_without_checkpoints_nothing_is_found(tmp_path: Path) -> None:
    assert newest(tmp_path, None) == checkpoint.Search(None, [])
    assert newest(tmp_path / "missing", None) == checkpoint.Search(None, [])


def test_an_unreadable_disk_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, 7, 9)
    real = Path.open

    def failing(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == TENSORS and self.parent.name == "step-00000009":
            raise OSError(errno.EIO, "Input/output error")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    result = newest(tmp_path, IDENTITY)
    assert result.found is not None
    assert result.found.step == 7
    assert "(tensors.safetensors cannot be read: Input/output error)" in result.notes[0]


# ----------------------------------------------------------------- the kill, the full disk, the old ones


def write_and_die(folder: Path, moment: int) -> bool:
    """Writes step 9 in a child that dies at its `moment`-th touch of the disk; False: it came to its end."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = moment

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)

    def dying(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            tick()
            return real(*args, **kwargs)

        return call

    def halves(tensors: Any) -> Any:
        for piece in hashed.safetensors_pieces(tensors):
            yield piece[: len(piece) // 2]
            tick()
            yield piece[len(piece) // 2 :]

    try:
        for name in ("fsync", "rename", "mkdir", "unlink", "rmdir"):
            setattr(os, name, dying(getattr(os, name)))
        checkpoint.safetensors_pieces = halves  # type: ignore[assignment]
        put(folder, 9)
    except BaseException:  # noqa: BLE001 - the child must never come back into pytest
        os._exit(1)
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("before", "then"), [((), 0), ((5, 7), 7), ((7, 9), 7)], ids=["first", "next", "again"]
)
def test_a_process_that_dies_at_any_moment_leaves_a_sound_newest(
    tmp_path: Path, before: tuple[int, ...], then: int
) -> None:
    left, moment, died = set(), 0, True
    while died:
        moment += 1
        folder = tmp_path / str(moment)
        folder.mkdir()
        if before:
            put(folder, *before)
        died = write_and_die(folder, moment)
        result = newest(folder, IDENTITY)
        assert result.notes == []  # what was not finished is no checkpoint at all
        step = result.found.step if result.found else 0
        if result.found:
            assert torch.equal(result.found.tensors["weight"], tensors(step)["weight"])
        left.add(step)
        put(folder, 11)  # the next process cleans up
        assert found(folder).step == 11
        assert not any(name.startswith("tmp-") for name in names(folder))
    assert moment > 10
    assert left == {then, 9}
    assert step == 9  # the one that was not killed


def test_left_overs_of_killed_processes_are_swept(tmp_path: Path) -> None:
    put(tmp_path, 7)
    (tmp_path / "tmp-123-step-00000008").mkdir()
    (tmp_path / "tmp-123-step-00000008" / TENSORS).write_bytes(b"half")
    assert found(tmp_path).step == 7
    put(tmp_path, 9)
    assert names(tmp_path) == ["step-00000007", "step-00000009"]


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_is_said_and_leaves_the_old_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(tmp_path, 5, 7)
    real = Path.open

    class Full(io.FileIO):
        def write(self, *_: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opening(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return io.BufferedWriter(Full(self, mode)) if self.name == name and "x" in mode else real(self, mode)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opening)
        with pytest.raises(DiskFull, match="step-00000009"):
            put(tmp_path, 9)
    assert names(tmp_path) == ["step-00000005", "step-00000007"]
    assert found(tmp_path).step == 7
    put(tmp_path, 9)
    assert found(tmp_path).step == 9


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_only_the_newest_ones_are_kept(tmp_path: Path, keep: int) -> None:
    put(tmp_path, 1, 2, 3, 4, 5, keep=keep)
    assert checkpoint.steps(tmp_path) == [5, 4, 3][:keep]
    assert len(names(tmp_path)) == keep


def test_one_that_looks_damaged_does_not_count_as_kept(tmp_path: Path) -> None:
    (put(tmp_path, 5, 7) / STATE).unlink()
    put(tmp_path, 9)
    assert checkpoint.steps(tmp_path) == [9, 5]


def test_the_same_step_can_be_written_again(tmp_path: Path) -> None:
    (put(tmp_path, 7, 9) / STATE).unlink()
    put(tmp_path, 9)
    assert found(tmp_path).step == 9
    assert names(tmp_path) == ["step-00000007", "step-00000009"]


def test_a_run_that_went_back_leaves_the_later_ones_behind(tmp_path: Path) -> None:
    path = put(tmp_path, 7, 9) / TENSORS
    path.write_bytes(bytes(path.stat().st_size))  # damaged, but of the right size
    put(tmp_path, 8)
    assert names(tmp_path) == ["step-00000007", "step-00000008"]
    assert found(tmp_path).step == 8


def test_steps_beyond_eight_digits_stay_in_order(tmp_path: Path) -> None:
    put(tmp_path, 99_999_999, 100_000_000)
    assert found(tmp_path).step == 100_000_000
    assert len(names(tmp_path)) == 2


def test_clear_removes_everything(tmp_path: Path) -> None:
    put(tmp_path / "checkpoints", 7, 9)
    checkpoint.clear(tmp_path / "checkpoints")
    checkpoint.clear(tmp_path / "checkpoints")
    assert names(tmp_path) == []


# ----------------------------------------------------------------- identity


def test_a_changed_identity_is_refused_by_name(tmp_path: Path) -> None:
    put(tmp_path, 7, 9)
    wanted = {**IDENTITY, "recipe": "c" * 64, "threads": "1", "tokenizer": "d" * 64}
    with pytest.raises(ResumeRefused) as refusal:
        newest(tmp_path, wanted)
    assert str(refusal.value) == (
        "The run cannot go on from its checkpoint after step 9, because this has changed since: recipe; threads "
        "(2 then, 1 now); tokenizer. Put it back as it was, or start a new run from these weights."
    )
    assert found(tmp_path, None).step == 9


def test_a_part_that_is_no_longer_given_is_a_difference(tmp_path: Path) -> None:
    put(tmp_path, 7)
    with pytest.raises(ResumeRefused, match=r"threads \(2 then, nothing now\)"):
        newest(tmp_path, {name: IDENTITY[name] for name in ("recipe", "data")})


def test_damage_is_told_before_the_refusal(tmp_path: Path) -> None:
    (put(tmp_path, 7, 9) / STATE).unlink()
    with pytest.raises(ResumeRefused, match=r"after step 9 is damaged.* cannot go on from its .* step 7"):
        newest(tmp_path, {**IDENTITY, "data": "e" * 64})


parts = st.recursive(
    st.none() | st.text(max_size=3) | st.binary(max_size=3) | st.integers(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(one=st.lists(parts, max_size=4), two=st.lists(parts, max_size=4))
@settings(max_examples=80, deadline=None)
def test_fingerprints_agree_just_when_the_parts_do(one: list[Any], two: list[Any]) -> None:
    assert (fingerprint(*one) == fingerprint(*two)) == (exact(one) == exact(two))
    assert fingerprint(one) == fingerprint(tuple(one))


def test_fingerprints_keep_parts_apart() -> None:
    different = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        (["ab", "c"],),
        (b"ab", "c"),
        ("ab", "c", None),
        (["ab"], "c"),
    ]
    assert len({fingerprint(*each) for each in [*different, (1,), ("1",), (None,), (), ([],)]}) == 12
    assert fingerprint(np.int64(7)) == fingerprint(7)
    assert fingerprint("\ud800") != fingerprint("?")
    with pytest.raises(TypeError):
        fingerprint(1.5)


# ----------------------------------------------------------------- generators


def draws() -> list[Any]:
    return [
        [random.random(), random.gauss(0, 1), random.getrandbits(40)],
        [*np.random.standard_normal(3), *np.random.randint(0, 1000, 3)],
        [*torch.rand(3).tolist(), *torch.randn(3).tolist(), *torch.randperm(9).tolist()],
    ]


def test_generators_go_on_where_they_were(tmp_path: Path) -> None:
    draws()  # leaves each with one normal number in reserve
    states = generators()
    assert all(state.dtype in (torch.uint8, torch.int64) for state in states.values())
    checkpoint.write(tmp_path, 1, states, {}, IDENTITY)
    expected = [draws() for _ in range(3)]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    assert draws() != expected[0]
    set_generators(found(tmp_path).tensors)
    assert [draws() for _ in range(3)] == expected


def test_a_generator_of_a_missing_gpu_is_refused() -> None:
    before = generators()
    with pytest.raises(ResumeRefused, match="cuda:99"):
        set_generators({**before, "cuda:99": before["torch"]})
    after = generators()
    assert all(torch.equal(before[name], after[name]) for name in before)
