"""A process of its own that answers rows into a checkpoint, to be stopped and killed by tests.

``python checkpoint_writer.py all PATH LOG ROWS LEASE`` asks all rows, in four threads, and tells LOG of each when it
pays for it (``paid 7``) and when it is kept (``kept 7``). ``one PATH LEASE`` takes one row in hand, says so, and
answers it when it is told to.
"""

import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from llmkit import AssistantMessage, FinishReason, Response
from llmkit.bulk.checkpoint import Busy, Checkpoint, Claim

THREADS = 4


def answer(text):
    return Response("", "m", "p", AssistantMessage(text), FinishReason("stop"))


def ask_all(path, log, rows, lease):
    told = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    free = threading.Semaphore(THREADS)

    def ask(claim, row):
        os.write(told, f"paid {row}\n".encode())
        checkpoint.answer(claim, answer(f"answer {row}"))
        os.write(told, f"kept {row}\n".encode())
        free.release()

    left = deque(range(int(rows)))
    with Checkpoint(path, lease=float(lease)) as checkpoint, ThreadPoolExecutor(THREADS) as pool:
        while left:
            row = left.popleft()
            match checkpoint.claim(f"key {row}", 0, index=row, id=None, prompt=f"prompt {row}"):
                case Claim() as claim:
                    free.acquire()  # released by another thread
                    pool.submit(ask, claim, row)
                case Busy():
                    left.append(row)
                    time.sleep(0.005)
        pool.shutdown()
        checkpoint.finish()


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def ask_one(path, lease):
    with Checkpoint(path, lease=float(lease)) as checkpoint:
        claim = checkpoint.claim("key", 0, index=0, id=None, prompt="")
        say(type(claim).__name__)
        sys.stdin.readline()
        checkpoint.answer(claim, answer("of the other"))
        say("answered")
        sys.stdin.readline()


if __name__ == "__main__":
    {"all": ask_all, "one": ask_one}[sys.argv[1]](*sys.argv[2:])
