"""Diagnosis of a run from its history: ``python -m jaxdl diagnose runs/NAME``."""

import sys
from dataclasses import dataclass

from jaxdl.errors import UserError
from jaxdl.report.diagnosis import as_text
from jaxdl.run import flags, recorded, terminal
from jaxdl.run.flags import check, flag
from jaxdl.run.status import exit_status

COMMAND = "jaxdl diagnose"
ABOUT = (
    "Diagnose whether a run underfits, overfits, oscillates, does not converge or is healthy, with the evidence, and "
    "suggest flags to try. A run still in progress is judged by its finished epochs."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which run."""

    run: str = flag("", "folder of the run", positional=True, path=True)

    def __post_init__(self) -> None:
        check(self)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _diagnose(sys.argv[1:] if argv is None else argv), Options)


def _diagnose(argv: list[str]) -> None:
    options, _ = flags.parse(argv, Options(), COMMAND, ABOUT)
    record, records = recorded.read_single(options.run), recorded.records(options.run)
    recorded.config_of(record, options.run)  # checks the settings
    terminal.say_loading()
    from jaxdl.run.diagnosed import findings_of, parameters_of  # with which comes JAX

    parameters = parameters_of(record, recorded.summary(options.run), options.run)
    findings = findings_of(record, records, parameters=parameters)
    if not findings:
        raise UserError(f"no epoch of the run in {options.run} has ended yet; there is nothing to judge it by.")
    print(*as_text(findings), sep="\n")
