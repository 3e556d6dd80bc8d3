"""How a worker's HAProxy behaves when masters die, are not ready, come back or are not who they say.

Arguments: a folder with lab.json, ca.crt and the nodes' certificates, then HAProxy's command. A goal is what a quiet
machine with hardware virtualisation has to reach, and is printed beside what was measured; the limit that a claim holds
to is wider, for a busy machine. Started by run.sh, in the namespaces that it makes.
"""

import asyncio
import sys
import time

from bench import Bench, Late, until

# Seconds: goal and limit.
DOWN_IN_TRAFFIC = 3, 6
DOWN_WHEN_IDLE = 5, 10
WATCH_CUT = 5, 10
# For what has no goal of its own: some health checks.
SOON = 20

START = time.monotonic()
counts = {True: 0, False: 0}


def claim(text, holds):
    counts[bool(holds)] += 1
    print(f"{time.monotonic() - START:5.0f} s  {'ok    ' if holds else 'FAILED'}  {text}", flush=True)


def measured(text, seconds, goal_and_limit):
    goal, limit = goal_and_limit
    claim(f"{text} {seconds:.1f} s (goal {goal} s, limit {limit} s)", seconds <= limit)


async def finished(asked):
    return await asyncio.gather(*asked)


async def retried(bench, answers):
    """Failed requests: all of them, and those that fail for a client that asks once more when not a byte has come."""
    failed = [answer for answer in answers if not answer.who]
    again = [await bench.ask() for answer in failed if answer.received == 0]
    lost = len(failed) - len(again) + sum(not answer.who for answer in again)
    return failed, lost


async def a_dead_master_in_traffic(bench):
    asked, stop = bench.traffic()
    answered = lambda: {task.result().who for task in asked if task.done()}
    await until("every master answers", lambda: answered() >= set(bench.names), SOON)
    dead = bench.names[0]
    # The worst moment, it has just been checked; and with requests in flight on every master.
    await bench.checked(dead)
    slow = [bench.spawn(bench.ask("/slow")) for _ in 2 * bench.names]
    await asyncio.sleep(0.3)
    bench.link(dead, "down")
    since = time.monotonic()
    measured("in traffic a dead master is out after", await bench.down(dead, since, SOON), DOWN_IN_TRAFFIC)
    await asyncio.sleep(2)
    stop()
    answers = await finished(asked)
    failed, lost = await retried(bench, answers)
    late = [answer for answer in failed if answer.began > since]
    slowest = max(answer.took for answer in answers if answer.began > since)
    claim(
        f"{len(answers)} requests, {len(failed)} failed, {len(late)} of those begun after its death, "
        f"{lost} with one retry; the slowest took {slowest:.1f} s",
        not late and not lost,
    )
    hanging = await finished(slow)
    failed, lost = await retried(bench, hanging)
    cut = max((answer.began + answer.took - since for answer in failed), default=0)
    # That one is seen to fail shows that failures are seen at all.
    claim(
        f"of {len(slow)} in flight at its death {len(failed)} failed, {lost} with one retry",
        len(failed) >= 1 and not lost,
    )
    measured("the request in flight on it was given up after", cut, WATCH_CUT)


async def a_dead_master_when_idle(bench):
    watches = await bench.watch_each()
    dead = bench.names[1]
    await bench.checked(dead)
    bench.link(dead, "down")
    since = time.monotonic()
    down = bench.spawn(bench.down(dead, since, 4 * SOON))
    cut = await until("the dead master's watch is cut", lambda: watches[dead].ended, 4 * SOON) - since
    measured("with idle watches only, a dead master's watch is cut after", cut, WATCH_CUT)
    measured("and the master is out after", await down, DOWN_WHEN_IDLE)
    # As long again as that may take.
    await asyncio.sleep(WATCH_CUT[0])
    others = [name for name in bench.names if name != dead and watches[name].ended]
    claim(f"watches on other masters live on; cut: {others or 'none'}", not others)

    bench.link(dead, "up")
    back = await bench.up(dead, time.monotonic(), SOON)
    opened = [(await bench.watch()).who for _ in bench.names]
    # It has no connection and the others one each, so it is the one with the fewest twice.
    claim(f"back after {back:.1f} s, it gets new connections: {' '.join(opened)}", opened[0] == dead)


async def two_dead_masters(bench):
    asked, stop = bench.traffic()
    await asyncio.sleep(1)
    dead = bench.names[:2]
    await bench.checked(dead[0])
    for name in dead:
        bench.link(name, "down")
    since = time.monotonic()
    for name in dead:
        await bench.down(name, since, SOON)
    gone = time.monotonic() - since
    await asyncio.sleep(1)
    stop()
    answers = await finished(asked)
    failed, lost = await retried(bench, answers)
    late = [answer for answer in failed if answer.began > since]
    claim(
        f"two of three die at once, out after {gone:.1f} s: {len(answers)} requests, {len(failed)} failed, "
        f"{len(late)} of those begun after that, {lost} with one retry",
        not late and not lost,
    )


async def no_master_is_ready(bench):
    watches = await bench.watch_each()
    asked, stop = bench.traffic()
    since = time.monotonic()
    for name in bench.names:
        bench.ready(name, False)
    for name in bench.names:
        await bench.down(name, since, SOON)
    without = time.monotonic()
    await asyncio.sleep(3)
    again = time.monotonic()
    for name in bench.names:
        bench.ready(name, True)
    for name in bench.names:
        await bench.up(name, again, SOON)
    stop()
    answers = await finished(asked)
    failed = [answer for answer in answers if not answer.who]
    during = [answer for answer in answers if without < answer.began < again]
    claim(
        f"no master ready for {again - without:.0f} s: {len(answers)} requests, {len(during)} of them then, "
        f"{len(failed)} failed",
        len(during) >= 5 and not failed,
    )
    cut = [name for name in bench.names if watches[name].ended]
    claim(f"every watch lives on; cut: {cut or 'none'}", not cut)


async def one_master_is_not_ready(bench):
    watches = await bench.watch_each()
    unready = bench.names[2]
    before = {(await bench.ask()).who for _ in range(12)}
    bench.ready(unready, False)
    took = await bench.down(unready, time.monotonic(), SOON)
    after = [(await bench.ask()).who for _ in range(12)]
    claim(
        f"a master that is not ready is left within {took:.1f} s: before, {len(before)} masters answered, "
        f"then {len(set(after))}",
        unready in before and unready not in after and None not in after,
    )
    claim("its watch lives on", not watches[unready].ended)


async def a_foreign_certificate(bench):
    suspect = bench.foreign
    # The lab's own authority has signed it, for another node.
    await bench.down(suspect, 0, SOON)
    answers = [(await bench.ask()).who for _ in range(12)]
    since = time.monotonic()
    await bench.serve(suspect, suspect)
    await bench.up(suspect, since, SOON)
    then = [(await bench.ask()).who for _ in range(12)]
    claim(
        "a master with another node's certificate is not used, and is with its own",
        None not in answers + then and suspect not in answers and suspect in then,
    )


async def show(scenario, work, haproxy):
    """Runs one scenario; HAProxy's own words tell more of one that fails."""
    print(f"-- {scenario.__name__.replace('_', ' ')}", flush=True)
    before = counts[False]
    async with Bench(work, haproxy, scenario is a_foreign_certificate) as bench:
        try:
            await scenario(bench)
        except Late as late:
            claim(str(late), False)
        if counts[False] > before:
            for at, line in bench.log:
                print(f"  {at - START:5.1f} s  haproxy: {line}", flush=True)


async def main():
    work, *haproxy = sys.argv[1:]
    for scenario in (
        a_dead_master_in_traffic,
        a_dead_master_when_idle,
        two_dead_masters,
        no_master_is_ready,
        one_master_is_not_ready,
        a_foreign_certificate,
    ):
        await show(scenario, work, haproxy)
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(1 if counts[False] else 0)


asyncio.run(main())
