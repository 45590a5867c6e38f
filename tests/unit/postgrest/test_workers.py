# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx' workers: who serves, and since when."""

from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest import workers
from ansible_collections.bulkhead.stack.plugins.module_utils._postgrest.workers import Worker

STAT = "stat %d (ngi nx)) S 1 1 1 0 -1 4194624 300 0 0 0 0 0 0 0 20 0 1 0 %d 11771904 1000 18446744073709551615"

OUTPUT = "\n".join(
    [
        "btime 1700000000",
        "process /proc/1 title nginx: master process nginx -g daemon off;\0 " + STAT % (1, 100),
        "process /proc/7 title nginx: worker process\0 " + STAT % (7, 12345),
        "process /proc/8 title nginx: worker process is shutting down\0 " + STAT % (8, 200),
        "process /proc/9 title nginx: cache manager process\0 " + STAT % (9, 200),
        "process /proc/10 title sh\0-c\0nginx: worker process\0 " + STAT % (10, 200),
        "process /proc/11 title nginx: worker process\0 stat ",
        "process /proc/12 title  stat ",
    ]
)


def test_workers_are_read_and_nobody_else():
    assert workers.parse_workers(OUTPUT) == [
        Worker(7, False, 1700000123.45),
        Worker(8, True, 1700000002.0),
        Worker(11, False, None),
    ]
    assert workers.parse_workers("") == []


def test_a_reload_is_done_when_no_old_worker_serves_and_a_new_one_does():
    before = [Worker(7, False, 1.0), Worker(8, False, 1.0)]
    assert not workers.has_reloaded(before, before)
    assert not workers.has_reloaded(before, [*before, Worker(20, False, 2.0)])
    assert not workers.has_reloaded(before, [Worker(7, True, 1.0), Worker(8, False, 1.0), Worker(20, False, 2.0)])
    assert not workers.has_reloaded(before, [Worker(7, True, 1.0)])
    assert not workers.has_reloaded(before, [])
    assert workers.has_reloaded(before, [Worker(7, True, 1.0), Worker(20, False, 2.0)])


def test_a_worker_that_began_before_the_file_changed_does_not_know_it():
    serving = [Worker(7, False, 1000.0)]
    assert workers.is_older_than(serving, 1010.0, 2000.0)
    assert not workers.is_older_than(serving, 990.0, 2000.0)
    # Within what the clocks can't tell apart.
    assert not workers.is_older_than(serving, 1001.0, 2000.0)
    # A file from the future, a worker that leaves, a start that can't be told.
    assert not workers.is_older_than(serving, 3000.0, 2000.0)
    assert not workers.is_older_than([Worker(7, True, 1000.0)], 1010.0, 2000.0)
    assert not workers.is_older_than([Worker(7, False, None)], 1010.0, 2000.0)
