"""How good each of several utterances still is at the other end: PESQ-WB (ITU-T P.862.2) and STOI, one JSON line each.

usage: utterances.py SAID.wav HEARD.wav [SAID.wav HEARD.wav …]

All files are mono, 16 bit, 48 kHz. Both of a pair begin at the same moment; the second is longer by the greatest delay
that is looked for. The two are laid over each other where their waveforms fit best; PESQ then aligns parts by itself.
"""

import json
import sys
import wave

import numpy as np
from pesq import PesqError, pesq
from pystoi import stoi
from scipy.signal import correlate, resample_poly

RATE = 16_000
# What the score of a silent recording is set to: the lowest that P.862.2's mapping gives, rounded.
LOWEST_PESQ = 1.0


def read(path: str) -> np.ndarray:
    with wave.open(path, "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return resample_poly(samples.astype(np.float64) / 32_768, 1, 3)


def score(said: np.ndarray, heard: np.ndarray) -> dict:
    late = int(np.argmax(correlate(heard, said, mode="valid", method="fft")))
    heard = heard[late : late + len(said)]
    quality = pesq(RATE, said, heard, "wb", on_error=PesqError.RETURN_VALUES)
    return {
        "late_ms": late * 1000 / RATE,
        "pesq": max(float(quality), LOWEST_PESQ),
        "stoi": float(stoi(said, heard, RATE)),
    }


for said_path, heard_path in zip(sys.argv[1::2], sys.argv[2::2]):
    print(json.dumps(score(read(said_path), read(heard_path))))
