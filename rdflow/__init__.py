"""rdflow: write, run and profile streaming-dataflow programs on a modelled accelerator."""

from rdflow import programs as _texts  # noqa: F401  (the package: imported later it would take the name of the function)
from rdflow.api import Program, Result, find, load, loads, programs
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.verification import Verification

__version__ = "0.1.0"
__all__ = ["CompileError", "Diagnostic", "Program", "Result", "Verification", "find", "load", "loads", "programs"]
