"""A chain too large for one answer comes in pieces, and nothing is lost or doubled between them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.errors import ApiConnectionError, ApiDataNotFoundError, LargeRequestError
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.sessions import Window
from spx_data.sources.source import history

STEPS = ["1s", "15s", "30s", "1m", "10m", "30m", "1h"]
DAY = Window(dt.time(9, 30), dt.time(16), "1m")

ENTRY = ListedChain(Chain("SPX", dt.date(2024, 1, 19), dt.date(2024, 1, 2), dt.date(2024, 1, 19)), (), ())


def stamps(window):
    return list(range(window.start_ms, window.end_ms + 1, window.step_ms))


class Source:
    """Gives the stamps of a window, unless it has more than *most* or none of *quoted*."""

    def __init__(self, most, quoted=range(86_400_000), troubles=()):
        self.most, self.quoted, self.troubles, self.asked = most, quoted, list(troubles), []

    def history(self, _, window, __, **___):
        self.asked.append(window)
        found = [stamp for stamp in stamps(window) if stamp in self.quoted]
        if window.stamps > self.most:
            raise LargeRequestError("too large")
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble
        if not found:
            raise ApiDataNotFoundError("nothing")
        yield from found


@given(
    start=st.times(max_value=dt.time(22)),
    length=st.integers(0, 7199),
    interval=st.sampled_from(STEPS),
)
def test_halves_have_the_same_stamps(start, length, interval):
    start = start.replace(microsecond=0)
    end = (dt.datetime.combine(dt.date(2024, 1, 2), start) + dt.timedelta(seconds=length)).time()
    window = Window(start, end, interval)

    halves = window.halves()

    assert len(stamps(window)) == window.stamps
    assert bool(halves) == (window.stamps > 1)
    if halves:
        first, second = halves
        assert stamps(first) + stamps(second) == stamps(window)
        assert abs(first.stamps - second.stamps) <= 1


@pytest.mark.parametrize("most", [391, 390, 100, 7, 1])
def test_pieces_join_to_the_whole(most):
    windows = [DAY]

    assert list(history(Source(most), ENTRY, windows)) == stamps(DAY)
    assert all(window.stamps <= most for window in windows)


def test_what_was_too_large_is_not_asked_for_again():
    source, windows = Source(100, troubles=[None, ApiConnectionError("lost")]), [DAY]

    with pytest.raises(ApiConnectionError):
        list(history(source, ENTRY, windows))
    before = len(source.asked)

    assert list(history(source, ENTRY, windows)) == stamps(DAY)
    assert DAY not in source.asked[before:]
    assert source.asked[before] == windows[0]


def test_a_half_without_records_is_no_failure():
    afternoon = range(DAY.start_ms + 300 * 60_000, 86_400_000)

    found = list(history(Source(100, quoted=afternoon), ENTRY, [DAY]))

    assert found == [stamp for stamp in stamps(DAY) if stamp in afternoon]


def test_a_piece_without_records_is_asked_for_once_more_after_the_others():
    # Too large, and too large; then the first quarter, which is said to have nothing.
    source = Source(100, troubles=[ApiDataNotFoundError("nothing")])

    found = list(history(source, ENTRY, [DAY]))

    assert sorted(found) == stamps(DAY)
    assert source.asked[-1].start == DAY.start


def test_no_records_in_any_piece_are_no_data():
    with pytest.raises(ApiDataNotFoundError):
        list(history(Source(100, quoted=[]), ENTRY, [DAY]))


def test_a_single_stamp_that_is_too_large_is_the_end():
    with pytest.raises(LargeRequestError):
        list(history(Source(0), ENTRY, [DAY]))
