"""Features by hand, and pictures as changed cameras see them."""

from __future__ import annotations

import numpy as np

from sdfa.experiment import features, pictures
from sdfa.experiment.people import POOL, TEST


def test_emg_by_hand() -> None:
    """3, -4, 5 at one electrode: mean absolute value 4, slopes -7 and 9, two zero crossings, one change of slope."""
    found = features.emg(np.array([[[3], [-4], [5]]], np.int8))[0]
    np.testing.assert_allclose(found, [np.log1p(4), np.log1p(np.sqrt(50 / 3)), np.log1p(8), 1.0, 1.0], rtol=1e-6)


def test_motion_of_a_still_and_of_a_swinging_device() -> None:
    still = np.tile(np.array([0, 256, 0, 0, 0, 0], np.int16), (1, 128, 1))
    found = features.motion(still)[0]
    assert found.shape == (77,)
    assert found[[1, 6, 7 + 1, 14 + 1, 21 + 1, 28 + 1]].tolist() == [256.0, 256.0, 0.0, 256.0, 256.0, 0.0]
    swing = still.copy()
    swing[0, :, 0] = np.rint(100 * np.sin(2 * np.pi * 4 * np.arange(128) / 128))
    bands = features.motion(swing)[0, 35:].reshape(6, 7)[:, 0]
    assert bands.argmax() == 1  # the fourth line lies in the band from 3 to 5


def test_cepstra_of_a_flat_spectrum_are_one_number() -> None:
    found = features.cepstra(np.full((2, 5, 32), 7, np.int8)).reshape(2, 2, 10)
    np.testing.assert_allclose(found[..., 0], 7 * 32 * np.sqrt(2 / 32), rtol=1e-5)
    np.testing.assert_allclose(found[..., 1:], 0, atol=1e-3)


def test_small_functions() -> None:
    assert features.signed_log(np.array([-1.0, 0.0, 1.0])).tolist() == [
        -np.float32(np.log(2)),
        0,
        np.float32(np.log(2)),
    ]
    assert features.filled(np.array([[1.0, 2], [np.nan, 4], [3, 6]]))[1, 0] == 2.0
    cut = features.windows_of(np.arange(20).reshape(10, 2), 4, 3)
    assert cut.shape == (3, 4, 2)
    assert cut[1].tolist() == [[6, 7], [8, 9], [10, 11], [12, 13]]


def _pictures(n: int, seed: int) -> pictures.Pictures:
    rng = np.random.default_rng(seed)
    return rng.random((n, 8, 8, 1), np.float32), rng.integers(0, 10, n)


def test_every_change_of_pictures() -> None:
    x = np.zeros((1, 5, 5, 1), np.float32)
    x[0, 1, 3] = 1
    places = {
        name: [int(v) for v in np.argwhere(change(x)[0, :, :, 0] > 0.5)[0]]
        for name, change in pictures.CHANGES.items()
        if not name.startswith(("rot45", "rot-45", "shift"))
    }
    assert places == {"mirror": [1, 1], "rot90": [1, 1], "left": [1, 1], "upside": [3, 3], "rot270": [3, 3]}
    assert not pictures.CHANGES["shift"](x).any()


def test_a_turn_by_45_degrees() -> None:
    """What lies to the right of the middle comes to lie above it on the right; twice is a quarter turn, blurred."""
    x = np.zeros((1, 9, 9, 1), np.float32)
    x[0, 4, 7] = 1
    turned = pictures.CHANGES["rot45"](x)[0, :, :, 0]
    assert turned.argmax() == 9 * 2 + 6
    assert abs(turned.sum() - 1) < 0.35
    back = pictures.CHANGES["rot-45"](pictures.CHANGES["rot45"](x))[0, :, :, 0]
    assert back.argmax() == 9 * 4 + 7


def test_pictures_as_people() -> None:
    people = pictures.people(_pictures(50, 1), _pictures(20, 2), "mirror", ("mirror", "rot90"), 50)
    assert (people.base, people.tune, people.new) == (("plain",), ("upside",), ("mirror",))
    assert len(people.rows(("mirror",), POOL)) == 50
    assert len(people.rows(("mirror",), TEST)) == 20
    first = people.x[people.rows(("mirror",), TEST)[0]].reshape(8, 8)
    assert np.array_equal(first[:, ::-1], _pictures(20, 2)[0][0, :, :, 0])


def test_pool_pictures_were_not_pre_trained_on_where_there_are_enough() -> None:
    train = _pictures(3000, 1)
    people = pictures.people(train, _pictures(20, 2), "all", ("rot90",), 1500)
    pool = people.x[people.rows(("rot90",), POOL)].reshape(-1, 8, 8)
    assert np.array_equal(pool[0], np.rot90(train[0][1500, :, :, 0]))
