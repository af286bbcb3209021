"""The source's reports on contracts: how long they are asked for."""

import pytest

from spx_data.errors import NEVER, ApiRateLimitError, ApiResponseInvalidError, TerminalDisconnectedError
from spx_data.fill import reports


@pytest.mark.parametrize(
    "kind, final",
    [(ApiResponseInvalidError, 2), (ApiRateLimitError, None), (TerminalDisconnectedError, None)],
)
def test_a_report_that_fails_twice_by_itself_is_not_asked_for_again(kind, final):
    def fails():
        raise kind("not now")

    ask, last = reports._briefly(fails), []
    for _ in range(4):
        with pytest.raises(kind) as caught:
            ask()
        last.append(caught.value.retry is NEVER)

    assert last == [final is not None and tried >= final for tried in range(1, 5)]
