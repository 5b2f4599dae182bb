"""A speech server that says nothing: prints, as one JSON string a line, what a screen reader wants to be said.

As much of the Speech Synthesis Interface Protocol as Orca's speech-dispatcher client uses
(https://htmlpreview.github.io/?https://github.com/brailcom/speechd/blob/master/doc/ssip.html).
`sys.argv[1]`: the socket.
"""

import json
import re
import socket
import sys
import threading

one_line_at_a_time = threading.Lock()


def tell(text):
    with one_line_at_a_time:
        print(json.dumps(re.sub(r"\s+", " ", text).strip(), ensure_ascii=False), flush=True)


def unescaped(ssml):
    text = re.sub(r"<[^>]*>", "", ssml)
    for escaped, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        text = text.replace(escaped, character)
    return text


def message(lines):
    """Lines up to a single dot; a dot at the beginning of a line is doubled."""
    taken = []
    for line in lines:
        line = line.rstrip("\r\n")
        if line == ".":
            break
        taken.append(line[1:] if line.startswith("..") else line)
    return "\n".join(taken)


def serve(client):
    stream = client.makefile("rw", encoding="utf-8", newline="")

    def answer(*lines):
        stream.write("".join(line + "\r\n" for line in lines))
        stream.flush()

    for line in iter(stream.readline, ""):
        word, _, rest = line.strip().partition(" ")
        match word.upper():
            case "SPEAK":
                answer("230 OK RECEIVING DATA")
                tell(unescaped(message(iter(stream.readline, ""))))
                answer("225-1", "225 OK MESSAGE QUEUED")
            case "CHAR" | "KEY" | "SOUND_ICON":
                answer("225-1", "225 OK MESSAGE QUEUED")
            case "HISTORY":
                answer("245-1", "245 OK CLIENT ID SENT")
            case "LIST" if "OUTPUT" in rest.upper():
                answer("250-silence", "250 OK MODULE LIST SENT")
            case "LIST":
                answer("249-Nobody\ten\tnone", "249 OK VOICE LIST SENT")
            case "GET":
                answer("251-50", "251 OK GET RETURNED")
            case "STOP" | "CANCEL":
                answer("210 OK STOPPED")
            case "QUIT":
                answer("231 HAPPY HACKING")
                return
            case _:
                answer("208 OK SET")


server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
tell("ready")
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
