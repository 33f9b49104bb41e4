"""Make the embedded data set: all clips, on all cores, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rpstn.embedded.plan import SPLITS, plan_clips
from rpstn.errors import UserError, check_seed
from rpstn.runs.paths import expanded
from rpstn.runs.progress import tqdm

VERSION = 11  # rises with every change of what is drawn
COUNTS = {"train": 240, "val": 30, "test": 110}
MANIFEST = "embedded.json"


def make_embedded(
    root: str | Path,
    *,
    seed: int = 0,
    counts: dict[str, int] | None = None,
    frames: int = 24,
    size: int = 160,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Make the embedded data set in the folder `root`, in Penn Action's layout, and return the folder.

    seed: everything follows from it; the same seed gives the same bytes, however many workers there are.
    counts: clips per split, {"train": 240, "val": 30, "test": 110} by default. frames: per clip. size: pixels a side.
    workers: processes, as many as there are cores by default; 1 works in this process.

    All is written to a folder next to `root` and renamed at the end: an interrupted run leaves no `root`. What an earlier
    interrupted run left is removed. A whole set with the same parameters is kept and returned at once; one with other
    parameters is replaced. Raises UserError if a value is out of range or `root` holds something else.
    """
    root = expanded(root).absolute()
    counts = {**dict.fromkeys(SPLITS, 0), **(COUNTS if counts is None else counts)}
    _check(root, seed, counts, frames, size, workers)
    wanted = {"version": VERSION, "seed": seed, "counts": counts, "frames": frames, "size": size}
    if is_complete(root, wanted):
        return root
    if root.exists() and progress:
        print(f"{root}: made with other values or by another version; it is made again and then replaced", flush=True)
    _clear_stale(root)
    making = root.parent / f".{root.name}.making-{os.getpid()}"
    making.mkdir(parents=True)
    try:
        job = {"root": str(making), "seed": seed, "counts": counts, "frames": frames, "size": size}
        _make_clips(making, job, workers or _cores(), wanted, progress)
        if root.exists():
            old = making.with_name(f"{making.name}-old")
            root.rename(old)
            making.rename(root)
            shutil.rmtree(old)
        else:
            making.rename(root)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        if progress:
            print(f"{root}: not made; the next call starts from the beginning", file=sys.stderr)
        raise
    return root


def _make_clips(folder: Path, job: dict[str, Any], workers: int, wanted: dict[str, Any], progress: bool) -> None:
    """Make all clips in a folder, and its manifest, which says what was wanted."""
    (folder / "frames").mkdir()
    (folder / "labels").mkdir()
    total = sum(job["counts"].values())
    workers = min(workers, total)
    digests: dict[int, str] = {}
    results = _here(job) if workers == 1 else _in_processes(job, workers)
    for number, digest in tqdm(results, total=total, desc="embedded clips", unit="clip", disable=not progress):
        digests[number] = digest
    whole = hashlib.sha256("".join(digests[number] for number in sorted(digests)).encode()).hexdigest()
    manifest = {**wanted, "clips": total, "checksum": whole, "labels": _labels_checksum(folder)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def is_complete(root: str | Path, wanted: dict[str, Any]) -> bool:
    """Say whether `root` holds a whole set with these parameters: manifest, every frame, label files unchanged."""
    root = Path(root)
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        if any(manifest.get(key) != value for key, value in wanted.items()):
            return False
        folders = [os.scandir(root / "frames" / f"{number + 1:04d}") for number in range(manifest["clips"])]
        if any(sum(entry.name.endswith(".jpg") for entry in folder) != manifest["frames"] for folder in folders):
            return False
        return manifest["labels"] == _labels_checksum(root)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _check(root: Path, seed: int, counts: dict[str, int], frames: int, size: int, workers: int | None) -> None:
    unknown = set(counts) - set(SPLITS)
    if unknown:
        raise UserError(f"counts: no split is called {sorted(unknown)[0]!r}; the splits are {', '.join(SPLITS)}")
    if any(not isinstance(n, int) or n < 0 for n in counts.values()) or not 0 < sum(counts.values()) < 10000:
        raise UserError(f"counts: {counts} must be whole numbers of clips, 1 to 9999 in all")
    check_seed(seed)
    if not 2 <= frames <= 2000:
        raise UserError(f"frames: {frames} per clip cannot be made; give 2 to 2000")
    if not 64 <= size <= 320:
        raise UserError(f"size: {size} pixels cannot be drawn; give 64 to 320")
    if workers is not None and workers < 1:
        raise UserError(f"workers: {workers} is not a number of processes; give 1 or more")
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: is a file, and the data set needs a folder there; move it away or choose another root")
    if root.exists() and any(root.iterdir()) and not (root / MANIFEST).is_file():
        raise UserError(f"{root}: holds something that is no embedded data set; choose another root or empty the folder")


def _clear_stale(root: Path) -> None:
    """Remove what unfinished runs that made this folder left, where their process has ended."""
    if not root.parent.is_dir():
        return
    for left in root.parent.glob(f".{root.name}.making-*"):
        pid = left.name.rpartition(".making-")[2].partition("-")[0]
        if not (pid.isdigit() and int(pid) != os.getpid() and _alive(int(pid))):
            # Its workers end with the clip they are at. Under another name they cannot write to it any more.
            doomed = left.with_name(f"{left.name}-old")
            with contextlib.suppress(OSError):
                left.rename(doomed)
            shutil.rmtree(left, ignore_errors=True)
            shutil.rmtree(doomed, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _labels_checksum(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((root / "labels").glob("*.mat")):
        digest.update(os.fsencode(path.name))
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _worker(job: dict[str, Any]) -> Callable[[int], str]:
    """Return a function that makes clip `number` (1-based) of the job and returns its digest."""
    import cv2

    from rpstn.embedded.clips import write_clip

    cv2.setNumThreads(1)
    plans = plan_clips(job["seed"], job["counts"])
    return lambda number: write_clip(plans[number - 1], Path(job["root"]), job["frames"], job["size"])


def _here(job: dict[str, Any]) -> Iterator[tuple[int, str]]:
    make = _worker(job)
    for number in range(1, sum(job["counts"].values()) + 1):
        yield number, make(number)


def _in_processes(job: dict[str, Any], workers: int) -> Iterator[tuple[int, str]]:
    """Yield clips made by other processes, in the order in which they are ready.

    Each is a fresh interpreter that reads clip numbers from its standard input and ends when that closes, as it does when this
    process is killed. (multiprocessing would import the caller's script again, and would leave orphans after a kill.)
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    package = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    total = sum(job["counts"].values())
    todo: queue.Queue[int] = queue.Queue()
    for number in range(1, total + 1):
        todo.put(number)
    done: queue.Queue[tuple[int, str] | Exception] = queue.Queue()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "rpstn.embedded.make"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for _ in range(workers)
    ]  # fmt: skip
    threads = [threading.Thread(target=_feed, args=(process, job, todo, done), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for _ in range(total):
            result = done.get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for thread in threads:
            thread.join(timeout=5)
        for process in processes:
            for pipe in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _feed(
    process: subprocess.Popen[str], job: dict[str, Any], todo: queue.Queue[int], done: queue.Queue[tuple[int, str] | Exception]
) -> None:
    """Give a process clips to make for as long as there are any, and hand on its digests, or the error that ends it."""
    assert process.stdin and process.stdout and process.stderr
    try:
        process.stdin.write(json.dumps(job) + "\n")
        while True:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                break
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"a worker ended while it made clip {number}:\n{process.stderr.read()}")
            done.put((number, line.strip()))
    except Exception as error:
        done.put(error)


def _serve_stdin() -> None:
    make = _worker(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(make(int(line)), flush=True)


if __name__ == "__main__":
    _serve_stdin()
