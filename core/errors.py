"""Every fault that a user can meet, as one tree. Each message says what happened and what to do.

FinesiftError
├── BadFile            a file that cannot be read as a table
├── BadColumn          a column that was asked for and is not there
├── BadData            a table that cannot be trained on (one class, no labels, ...)
├── BadRecipe          settings that contradict each other or the data
├── TooLarge           over a limit that protects this machine
├── NotFound           no data set, run or model of that id or name
├── InUse              something that a running job needs
├── Offline            the Hugging Face Hub cannot be reached
├── HubNotFound        the Hub answers, and has no such name
├── UnsafeModel        a model folder that needs code or pickles to load
├── BadModel           a model folder that is damaged or of the wrong kind
├── OutOfMemory        the device has too little memory for this work
├── DiskFull           no space left in the home folder
├── Diverged           the loss became infinite or not a number
├── DeviceLost         the GPU vanished or stopped working
├── ResumeRefused      a run whose recipe, data or tokenizer changed since its checkpoint
├── LeaseLost          a worker that lost its job must not write any more
└── WorkerFailed       a worker could not be started, or vanished
"""

from __future__ import annotations


class FinesiftError(Exception):
    """The message is a sentence for the user; `str(error)` may be shown as it is (as text)."""


class BadFile(FinesiftError):
    pass


class BadColumn(FinesiftError):
    pass


class BadData(FinesiftError):
    pass


class BadRecipe(FinesiftError):
    pass


class TooLarge(FinesiftError):
    pass


class NotFound(FinesiftError):
    pass


class InUse(FinesiftError):
    pass


class Offline(FinesiftError):
    pass


class HubNotFound(FinesiftError):
    pass


class UnsafeModel(FinesiftError):
    pass


class BadModel(FinesiftError):
    pass


class OutOfMemory(FinesiftError):
    pass


class DiskFull(FinesiftError):
    pass


class Diverged(FinesiftError):
    pass


class DeviceLost(FinesiftError):
    pass


class ResumeRefused(FinesiftError):
    pass


class LeaseLost(FinesiftError):
    pass


class WorkerFailed(FinesiftError):
    pass
