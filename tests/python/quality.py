"""How good speech still is at the other end: PESQ-WB (ITU-T P.862.2, at 16 kHz) and STOI, printed as one JSON line.

usage: quality.py SAID.wav HEARD.wav DELAY_MS SECONDS

Both files are recordings of the same time, mono, 16 bit, 48 kHz; what was said is heard DELAY_MS later. They are
compared in pieces of SECONDS, because PESQ is defined for some seconds of speech; pieces without speech are left out.
"""

import json
import sys
import wave

import numpy as np
from pesq import pesq
from pystoi import stoi
from scipy.signal import resample_poly

RATE = 16_000


def read(path: str) -> np.ndarray:
    with wave.open(path, "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return resample_poly(samples.astype(np.float64) / 32_768, 1, 3)


def main(said_path: str, heard_path: str, delay_ms: float, seconds: float) -> None:
    said, heard = read(said_path), read(heard_path)
    late = round(delay_ms * RATE / 1000)
    heard = heard[late:] if late >= 0 else np.concatenate([np.zeros(-late), heard])
    length = int(seconds * RATE)
    scores = []
    for start in range(0, min(len(said), len(heard)) - length + 1, length):
        a, b = said[start : start + length], heard[start : start + length]
        if np.sqrt(np.mean(a**2)) < 0.005:
            continue
        scores.append((pesq(RATE, a, b, "wb"), stoi(a, b, RATE)))
    if not scores:
        sys.exit("no piece with speech in it")
    pesqs, stois = zip(*scores)
    print(json.dumps({
        "pieces": len(scores), "pesq_mean": float(np.mean(pesqs)), "pesq_min": float(min(pesqs)),
        "stoi_mean": float(np.mean(stois)),
    }))


main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
