"""Join a LiveKit server as a listener, write what is heard to a WAV file, tell about it in JSON lines.

usage: LIVEKIT_TOKEN=... hear.py URL FILE.wav SECONDS
"""

import asyncio
import json
import os
import sys
import time
import wave

from livekit import rtc

RATE = 48_000
STARTED = time.monotonic()


def tell(event: str, **more) -> None:
    ms = round((time.monotonic() - STARTED) * 1000)
    print(json.dumps({"event": event, "at_ms": ms, **more}), flush=True)


async def keep(track: rtc.Track, wav: wave.Wave_write) -> None:
    heard = False
    async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
        samples = event.frame.data
        if not heard and max(samples, default=0) > 300:
            heard = True
            tell("sound")
        wav.writeframes(samples)


async def main(url: str, file: str, seconds: float) -> None:
    room = rtc.Room()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        keeping = []

        @room.on("track_subscribed")
        def subscribed(track, publication, participant):
            tell("track", participant=participant.identity, kind=int(track.kind))
            if track.kind == rtc.TrackKind.KIND_AUDIO:
                keeping.append(asyncio.ensure_future(keep(track, wav)))

        @room.on("disconnected")
        def disconnected(reason):
            tell("disconnected", reason=str(reason))

        await room.connect(url, os.environ["LIVEKIT_TOKEN"])
        tell("connected", others=len(room.remote_participants))
        await asyncio.sleep(seconds)
        await room.disconnect()
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
    tell("done")


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
