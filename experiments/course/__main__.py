"""The lessons of the course: ``python -m experiments.course`` lists them, with a name runs one."""

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.course import catalogue
from experiments.course.catalogue import Lesson
from jaxdl.errors import UserError
from jaxdl.run import compilation_cache, flags
from jaxdl.run.flags import check, flag
from jaxdl.run.status import exit_status

COMMAND = "experiments.course"
ABOUT = (
    "The course in JAX. Without a name, lists the lessons and the rows of the material that each covers. A lesson "
    "prints its results and saves its pictures to a folder; it can be read as text, run, or opened as a notebook."
)
RUN = (sys.executable, "-m", COMMAND)
TAIL = 25  # lines shown of a lesson that failed


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which lessons, and how."""

    lesson: tuple[str, ...] = flag((), "lessons to run, by name", positional=True, optional=True, value="NAME")
    all: bool = flag(False, "run every lesson, each in a process of its own", on_only=True)
    quick: bool = flag(False, "run a shorter version, with rougher results", on_only=True)
    read: bool = flag(False, "also print the lesson's text and code", on_only=True)
    out: str | None = flag(None, "folder for pictures and files", unset="runs/course-<time>", path=True)

    def __post_init__(self) -> None:
        check(self)
        if self.all and self.lesson:
            raise UserError("name lessons or give --all, not both.")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status: 1 where a lesson failed."""
    failed: list[str] = []
    status = exit_status(lambda: failed.extend(_course(sys.argv[1:] if argv is None else argv)), Options)
    return status or int(bool(failed))


def _course(argv: list[str]) -> list[str]:
    """Does what ``argv`` asks; the names of the lessons that failed. A lesson that is alone raises what it raises."""
    options, _ = flags.parse(argv, Options(), COMMAND, ABOUT)
    chosen = catalogue.lessons() if options.all else [catalogue.find(name) for name in dict.fromkeys(options.lesson)]
    if not chosen:
        _list()
        return []
    out = Path(options.out or time.strftime("runs/course-%Y%m%d-%H%M%S"))
    for lesson in chosen:
        if (out / lesson.name).exists():
            raise UserError(f"{out / lesson.name} exists; name another folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {out} ({error.strerror}); name another with --out.") from error
    if len(chosen) == 1:
        from experiments.course import running

        compilation_cache.use()
        try:
            running.run(chosen[0], folder=out / chosen[0].name, quick=options.quick, read=options.read)
        finally:
            with contextlib.suppress(OSError):  # it holds pictures
                out.rmdir()
        return []
    flags_given = [word for word, asked in (("--quick", options.quick), ("--read", options.read)) if asked]
    return _run_each(chosen, out, flags_given)


def _run_each(lessons: list[Lesson], out: Path, flags_given: list[str]) -> list[str]:
    failed = []
    for number, lesson in enumerate(lessons, 1):
        print(f"{number:2}/{len(lessons)}  {lesson.name:<24}", end="", flush=True)
        began = time.perf_counter()
        good = _in_own_process(lesson, out, flags_given)
        print(f"{'done' if good else 'FAILED'} in {time.perf_counter() - began:.0f} s", flush=True)
        if not good:
            failed.append(lesson.name)
            print(*_output(lesson, out).read_text().splitlines()[-TAIL:], sep="\n")
    print(f"pictures and output  {out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return failed


def _in_own_process(lesson: Lesson, out: Path, flags_given: list[str]) -> bool:
    """Lessons set up jax, its devices say, before they first use it."""
    command = [*RUN, lesson.name, "--out", str(out), *flags_given]
    _output(lesson, out).parent.mkdir(parents=True, exist_ok=True)
    with _output(lesson, out).open("wb") as output:
        return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode == 0


def _output(lesson: Lesson, out: Path) -> Path:
    return out / "output" / f"{lesson.name}.txt"


def _list() -> None:
    lessons = catalogue.lessons()
    widest = max(len(lesson.name) for lesson in lessons)
    for lesson in lessons:
        print(f"{lesson.number:2}  {lesson.name:<{widest}}  {lesson.title}  ({', '.join(lesson.rows)})")
    print(f"\nRun one: python -m {COMMAND} {lessons[0].name}; --read prints its text and code, too.")


if __name__ == "__main__":
    sys.exit(main())
