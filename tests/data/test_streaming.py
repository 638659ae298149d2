import os
import threading
import time
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import decoding, folder, pipeline, sources
from jaxdl.data.dataset import channel_statistics, train_val_split
from jaxdl.data.streaming import Pictures, TrainBatches
from jaxdl.errors import UserError


@pytest.fixture
def opened(monkeypatch):
    """The names of the pictures opened in this process, as they are opened."""
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):  # of a stream just closed, at its last batch
            thread.join()
    names, open_picture = [], decoding.open_picture

    def recorded(path, size):
        names.append(os.fsencode(path.relative_to(path.parents[2])))
        return open_picture(path, size)

    monkeypatch.setattr(decoding, "open_picture", recorded)
    return names


def assert_same(batch, expected):
    assert batch.keys() == expected.keys()
    for name, array in expected.items():
        assert type(batch[name]) is np.ndarray
        assert batch[name].dtype == array.dtype
        np.testing.assert_array_equal(batch[name], array)


def test_pictures_index_as_the_array_they_decode_to(streamed, held):
    images, expected = streamed.train.images, held.train.images
    assert (images.shape, images.dtype, images.ndim, len(images)) == (expected.shape, np.uint8, 4, 22)
    for rows in (3, -1, slice(2, 20, 3), slice(30, 40), [5, 1, 5], np.arange(22)[::-1], expected[:, 0, 0, 0] > 99):
        np.testing.assert_array_equal(images[rows], expected[rows])
    with pytest.raises(IndexError):
        images[22]


def test_pictures_decode_exactly_what_is_asked_for(streamed, opened):
    images = streamed.train.images
    assert len(images.take([3, 4, 5])) == 3
    assert opened == []
    images[[7, 2]]
    assert sorted(opened) == sorted(images.names[[7, 2]])


def test_a_streamed_split_divides_and_evaluates_as_one_in_memory(streamed, held, opened):
    parts = train_val_split(streamed.train, val_size=6, seed=0)
    assert opened == []
    for part, expected in zip(parts, train_val_split(held.train, val_size=6, seed=0), strict=True):
        assert isinstance(part.images, Pictures)
        batches = pipeline.eval_batches(part, batch_size=5, rows=slice(1, 4))
        for batch, other in zip(batches, pipeline.eval_batches(expected, batch_size=5, rows=slice(1, 4)), strict=True):
            assert_same(batch, other)


def test_channel_statistics_of_a_stream_are_exact_for_few_pictures_and_sampled_for_many(
    streamed, held, opened, monkeypatch
):
    assert channel_statistics(streamed.train.images) == channel_statistics(held.train.images)
    opened.clear()
    monkeypatch.setattr("jaxdl.data.dataset.SAMPLE", 8)
    expected = channel_statistics(held.train.images[[0, 3, 6, 9, 12, 15, 18, 21]])
    assert channel_statistics(streamed.train.images) == expected
    assert len(opened) == 8


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(
    "share", [{}, {"rows": slice(3, 6), "padded_size": 6}], ids=["whole batches", "one process's share"]
)
def test_streamed_batches_equal_those_in_memory(streamed, held, workers, share):
    start = 3 if share else 0
    with TrainBatches(streamed.train, batch_size=4, seed=1, start=start, workers=workers, **share) as batch_at:
        for step in range(start, 10):  # five steps are an epoch
            assert_same(batch_at(step), pipeline.train_batch(held.train, step, batch_size=4, seed=1, **share))


def test_too_little_shared_memory_is_said_before_a_worker_dies_of_it(pictures, monkeypatch):
    monkeypatch.setattr("jaxdl.data.streaming.SHARED", pictures)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**26))
    split = sources.load("folder", pictures, image_size=512, stream=True).train
    with pytest.raises(UserError, match=r"3 workers need 180 MiB .* --shm-size"):
        TrainBatches(split, batch_size=20, seed=1, workers=3)
    TrainBatches(split, batch_size=20, seed=1, workers=0).close()


def test_large_batches_left_half_way_hold_no_worker_up(pictures):
    split = sources.load("folder", pictures, image_size=256, stream=True).train
    with TrainBatches(split, batch_size=8, seed=1, workers=1) as batch_at:
        for step in range(3):
            assert_same(batch_at(step), pipeline.train_batch(split, step, batch_size=8, seed=1))
        time.sleep(0.2)  # for what is made ahead to fill all there is to fill
        began = time.perf_counter()
    assert time.perf_counter() - began < 10  # Grain kills after 25 seconds


def test_a_step_out_of_order_is_found(streamed, held):
    with TrainBatches(streamed.train, batch_size=4, seed=1) as batch_at:
        for step in (0, 7, 8, 2, 2):
            assert_same(batch_at(step), pipeline.train_batch(held.train, step, batch_size=4, seed=1))


def test_a_stream_opens_no_picture_before_its_start_of_another_share_or_far_ahead(streamed, opened):
    with TrainBatches(streamed.train, batch_size=4, seed=1, start=7, rows=slice(0, 2)) as batch_at:
        batch_at(7)
        batch_at(8)
    order = [pipeline._order(22, 1, epoch) for epoch in (1, 2)]
    wanted = np.concatenate([order[0][8:10], order[0][12:14], order[0][16:18], order[1][0:2]])  # steps 7 to 10
    names = streamed.train.images.names[wanted].tolist()
    assert set(names[:4]) <= set(opened) <= set(names)


@pytest.mark.parametrize("way", ["train", "evaluate"])
def test_a_stream_holds_a_few_batches_of_many(tmp_path, way):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), "red").save(tmp_path / split / name / "0.png")
            for number in range(1, 120):
                os.link(tmp_path / split / name / "0.png", tmp_path / split / name / f"{number}.png")
    split = sources.load("folder", tmp_path, image_size=64, stream=True).train
    batch_bytes = 8 * 64 * 64 * 3
    assert folder.decoded_bytes(tmp_path, size=64) == 2 * 240 * 64 * 64 * 3
    tracemalloc.start()
    try:
        if way == "train":
            with TrainBatches(split, batch_size=8, seed=0) as batch_at:
                batch_at(0)  # imports Grain
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                for step in range(1, 30):
                    batch_at(step)
        else:
            before = tracemalloc.get_traced_memory()[0]
            for _ in pipeline.eval_batches(split, batch_size=8):
                pass
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert batch_bytes < grown + batch_bytes < 8 * batch_bytes  # all of them are 30


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_becomes_unreadable_is_named_at_its_step(pictures, tmp_path, held, capfd, workers):
    root = tmp_path / "copy"
    for source in (pictures / "train", pictures / "test"):
        for path in source.rglob("*.*g"):
            target = root / path.relative_to(pictures)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    split = sources.load("folder", root, image_size=16, stream=True).train
    (row,) = pipeline._order(22, 1, 0)[14:15]  # in step 3
    path = root / os.fsdecode(split.images.names[row])
    content = path.read_bytes()
    path.write_bytes(content[:100])
    with TrainBatches(split, batch_size=4, seed=1, workers=workers) as batch_at:
        for step in range(3):
            batch_at(step)
        with pytest.raises(UserError, match=f"cannot read the picture {path} "):
            batch_at(3)
        path.write_bytes(content)
        assert_same(batch_at(3), pipeline.train_batch(held.train, 3, batch_size=4, seed=1))
    assert capfd.readouterr().err == ""
