from collections.abc import Callable

from sqlalchemy.orm import Session

from foveate.search import store
from foveate.search.curves import Curves
from foveate.search.records import Study, Trial

Add = Callable[..., Trial]


def test_what_reached_an_epoch_is_kept_in_step(session: Session, study: Study, add: Add) -> None:
    add(0.1, 0.2, 0.3)
    running = add(0.4, state="running")
    curves = Curves()
    curves.refresh(session, study)
    assert [one.curve for one in curves.reached(2).values()] == [(0.1, 0.2)]
    columns = {"train_loss": 1.0, "seconds": 1.0}
    store.record_epoch(session, running, number=2, accuracy=0.5, **columns)
    add(0.6, 0.7, state="stopped")
    session.flush()
    curves.refresh(session, study)
    anew = Curves()
    anew.refresh(session, study)
    for epoch in (1, 2, 3):
        assert curves.reached(epoch) == anew.reached(epoch)
    assert [one.curve for one in curves.reached(2).values()] == [(0.1, 0.2), (0.4, 0.5), (0.6, 0.7)]


def test_what_was_reached_is_the_callers_own(session: Session, study: Study, add: Add) -> None:
    add(0.1)
    curves = Curves()
    curves.refresh(session, study)
    curves.reached(1).clear()
    assert len(curves.reached(1)) == 1
