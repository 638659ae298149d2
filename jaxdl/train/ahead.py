"""Programs compiled in a thread, before they are called and while something else is done."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import jax

from jaxdl.train.interrupt import COMPILER


class Compiler:
    """A thread that compiles programs one after another, in the order in which they are asked for.

    It lives while there are any, and is no reason for a process to go on: ``jaxdl.train.interrupt.leave`` ends one with
    what is being compiled.
    """

    def __init__(self) -> None:
        self._asked: deque[tuple[Callable[[], Any], Future]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def compile(self, jitted: Any, arguments: tuple[Any, ...]) -> Future:
        """The result is ``jitted.lower(*arguments).compile()``."""
        result: Future = Future()
        with self._lock:
            self._asked.append((lambda: jitted.lower(*arguments).compile(), result))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=COMPILER, daemon=True)
                self._thread.start()
        return result

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return
                compile_one, result = self._asked.popleft()
            try:
                result.set_result(compile_one())
            except BaseException as error:  # raised where the program is called
                result.set_exception(error)


class Program:
    """The program of a jitted function for arguments of these shapes and dtypes: arrays, or what describes them.

    A call waits for it. With other arguments it is the jitted function, which compiles what it needs.
    """

    def __init__(self, compiler: Compiler, jitted: Any, *arguments: Any):
        self._compiler, self._jitted = compiler, jitted
        self._arguments = jax.eval_shape(lambda *arguments: arguments, *arguments)
        self._result: Future | None = None

    def begin(self) -> None:
        """Has it compiled, if that was not asked for already."""
        if self._result is None:
            self._result = self._compiler.compile(self._jitted, self._arguments)

    @property
    def ready(self) -> bool:
        """Whether a call would not wait."""
        return self._result is not None and self._result.done()

    def __call__(self, *arguments: Any) -> Any:
        self.begin()
        program = self._result.result()
        try:
            return program(*arguments)
        except TypeError:  # of other shapes or dtypes, before anything is computed
            return self._jitted(*arguments)
