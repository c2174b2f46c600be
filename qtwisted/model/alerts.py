"""What goes wrong in qmail-send, as its log tells it: alerts call a person, warnings are read later."""

from __future__ import annotations

from qtwisted.model.events import AboutFile, Event

# Reasons not to start


class NoHome(Event):
    """The home directory is missing or closed to us."""

    __slots__ = ()
    words = b"alert: cannot start: unable to switch to home directory"


class NoControls(Event):
    """A control file cannot be read, or one that is needed does not exist."""

    __slots__ = ()
    words = b"alert: cannot start: unable to read controls"


class NoQueue(Event):
    """The queue directory is missing or closed to us."""

    __slots__ = ()
    words = b"alert: cannot start: unable to switch to queue directory"


class NoMutex(Event):
    """lock/sendmutex cannot be opened."""

    __slots__ = ()
    words = b"alert: cannot start: unable to open mutex"


class AlreadyRunning(Event):
    """Another qmail-send holds the queue."""

    __slots__ = ()
    words = b"alert: cannot start: qmail-send is already running"


class NoSpawner(Event):
    """A spawner did not say hello."""

    __slots__ = ()
    words = b"alert: cannot start: hath the daemon spawn no fire?"


# Alerts


class LostClean(Event):
    """The process that removes queue files went away."""

    __slots__ = ()
    words = b"alert: oh no! lost qmail-clean connection! dying..."


class LostSpawner(Event):
    """A spawner went away."""

    __slots__ = ()
    words = b"alert: oh no! lost spawn connection! dying..."


class OutOfMemory(Event):
    """There is no memory; it is tried again every 10 s."""

    __slots__ = ()
    words = b"alert: out of memory, sleeping..."


class CannotOpenDirectory(AboutFile):
    """A queue directory cannot be read; it is tried again every 10 s."""

    __slots__ = ()
    words = b"alert: unable to opendir "
    then = b", sleeping..."


class CannotAppendToBounce(Event):
    """The text of a failure cannot be kept; it is tried again every 10 s."""

    __slots__ = ()
    words = b"alert: unable to append to bounce message; HELP! sleeping..."


class CannotRereadHome(Event):
    """After HUP the home directory could not be entered."""

    __slots__ = ()
    words = b"alert: unable to reread controls: unable to switch to home directory"


class CannotReread(AboutFile):
    """After HUP ``control/locals`` or ``control/virtualdomains`` could not be read; the old one is kept."""

    __slots__ = ()
    words = b"alert: unable to reread "


class CannotReturnToQueue(Event):
    """After HUP the queue directory could not be entered again; it is tried every 10 s."""

    __slots__ = ()
    words = b"alert: unable to switch back to queue directory; HELP! sleeping..."


# Warnings about one file of the queue


class CannotCleanUp(AboutFile):
    """The remains ``foop/N`` or ``todo/N`` could not be removed."""

    __slots__ = ()
    words = b"warning: qmail-clean unable to clean up "


class CannotStat(AboutFile):
    """A file could not be looked at."""

    __slots__ = ()
    words = b"warning: unable to stat "


class CannotStatYet(CannotStat):
    """A file could not be looked at; its message waits."""

    __slots__ = ()
    then = b"; will try again later"


class CannotUnlink(AboutFile):
    """A file could not be removed."""

    __slots__ = ()
    words = b"warning: unable to unlink "


class CannotUnlinkYet(CannotUnlink):
    """A file could not be removed; its message waits."""

    __slots__ = ()
    then = b"; will try again later"


class CannotOpen(AboutFile):
    """A file could not be opened."""

    __slots__ = ()
    words = b"warning: unable to open "


class CannotCreate(AboutFile):
    """A file could not be made."""

    __slots__ = ()
    words = b"warning: unable to create "


class TroubleReading(AboutFile):
    """A file could not be read."""

    __slots__ = ()
    words = b"warning: trouble reading "


class TroubleReadingYet(TroubleReading):
    """A recipient file could not be read to its end; the pass is broken off."""

    __slots__ = ()
    then = b"; will try again later"


class TroubleWriting(AboutFile):
    """A file could not be written."""

    __slots__ = ()
    words = b"warning: trouble writing to "


class TroubleSyncing(AboutFile):
    """A file could not be made durable."""

    __slots__ = ()
    words = b"warning: trouble fsyncing "


class UnknownRecord(AboutFile):
    """todo/N holds a record of a kind we do not know."""

    __slots__ = ()
    words = b"warning: unknown record type in "


class UnknownRecipientRecord(UnknownRecord):
    """A recipient file holds a record that is neither to do nor done."""

    __slots__ = ()
    then = b"!"


class TroubleOpening(AboutFile):
    """A file needed for a pass over the recipients could not be opened."""

    __slots__ = ()
    words = b"warning: trouble opening "
    then = b"; will try again later"


class TroubleMarking(AboutFile):
    """A recipient that is done could not be marked so."""

    __slots__ = ()
    words = b"warning: trouble marking "
    then = b"; message will be delivered twice!"


class CannotSetTime(AboutFile):
    """At the end the time of the next attempt could not be kept."""

    __slots__ = ()
    words = b"warning: unable to utime "
    then = b"; message will be retried too soon"


# Other warnings


class CannotStartQueue(Event):
    """No bounce can be handed in."""

    __slots__ = ()
    words = b"warning: unable to start qmail-queue, will try later"


class TroubleInjectingBounce(Event):
    """The queue did not take a bounce."""

    __slots__ = ()
    words = b"warning: trouble injecting bounce message, will try later"


class ReportOutOfRange(Event):
    """A spawner reported on a delivery that is not in flight."""

    __slots__ = ()
    words = b"warning: internal error: delivery report out of range"


class TroubleInSelect(Event):
    """Waiting for events failed."""

    __slots__ = ()
    words = b"warning: trouble in select"
