from __future__ import annotations

import asyncio
from contextlib import suppress

from pytest_runlog.recording.channel import Channel


def test_things_are_taken_in_the_order_in_which_they_were_put() -> None:
    channel = Channel[int]()
    for number in range(3):
        channel.put(number)

    assert [channel.take() for _ in range(4)] == [0, 1, 2, None]


def test_it_is_exhausted_when_it_was_closed_and_all_of_it_taken() -> None:
    channel = Channel[int]()
    channel.put(1)
    channel.close()

    assert channel.take() == 1
    assert not channel.exhausted
    assert channel.take() is None
    assert channel.exhausted


def test_what_is_put_between_the_close_and_the_end_is_taken() -> None:
    channel = Channel[int]()
    channel.close()
    channel.put(1)

    assert channel.take() == 1


def test_what_is_put_after_the_end_is_dropped() -> None:
    channel = Channel[int]()
    channel.close()
    channel.take()
    channel.put(1)

    assert channel.take() is None


def test_what_is_discarded_cannot_be_taken() -> None:
    channel = Channel[int]()
    channel.put(1)
    channel.discard()

    assert channel.take() is None
    assert channel.closed
    assert channel.exhausted


def test_waiting_ends_with_each_thing_and_with_the_close() -> None:
    async def main() -> list[int]:
        channel = Channel[int]()
        taken: list[int] = []

        async def read() -> None:
            while not channel.exhausted:
                item = channel.take()
                if item is None:
                    await channel.wait()
                else:
                    taken.append(item)

        reading = asyncio.create_task(read())
        for number in range(3):
            channel.put(number)
            await asyncio.sleep(0)
        channel.close()
        await asyncio.wait_for(reading, 30)
        return taken

    assert asyncio.run(main()) == [0, 1, 2]


def test_everybody_who_waits_is_woken() -> None:
    async def main() -> None:
        channel = Channel[int]()
        waiting = [asyncio.create_task(channel.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        channel.put(1)
        await asyncio.wait_for(asyncio.gather(*waiting), 30)

    asyncio.run(main())


def test_nobody_waits_for_what_is_there() -> None:
    async def main() -> None:
        channel = Channel[int]()
        channel.put(1)
        await asyncio.wait_for(channel.wait(), 30)
        channel.take()
        channel.close()
        await asyncio.wait_for(channel.wait(), 30)

    asyncio.run(main())


def test_who_gives_up_waiting_is_forgotten() -> None:
    async def main() -> Channel[int]:
        channel = Channel[int]()
        waiting = asyncio.create_task(channel.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        return channel

    assert asyncio.run(main())._waiting == []


def test_putting_does_not_mind_that_the_loop_of_a_reader_was_closed() -> None:
    channel = Channel[int]()
    waiting = channel.wait()
    loop = asyncio.new_event_loop()
    loop.call_soon(waiting.send, None)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    channel.put(1)

    assert channel.take() == 1
    waiting.close()
