"""The system's login service (logind) without a system: says who keeps the computer awake, and locks a screen.

One JSON object a line. Somebody keeps the computer awake until they let go of the pipe that they were given. `Lock(bool)`
sets what is said of the screen. On the system bus, which is a private one in tests. Needs python3-dbus and python3-gi.
"""

import json
import os

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.login1"
MANAGER = "org.freedesktop.login1.Manager"
SESSION = "org.freedesktop.login1.Session"
PROPERTIES = "org.freedesktop.DBus.Properties"


def tell(**fields):
    print(json.dumps(fields), flush=True)


class Manager(dbus.service.Object):
    @dbus.service.method(MANAGER, in_signature="ssss", out_signature="h")
    def Inhibit(self, what, who, why, mode):
        ours, theirs = os.pipe()
        handle = dbus.types.UnixFd(theirs)
        os.close(theirs)
        tell(event="kept awake", what=str(what), who=str(who), why=str(why), mode=str(mode))

        def let_go(_source, _condition):
            os.close(ours)
            tell(event="let go", what=str(what))
            return False

        GLib.io_add_watch(ours, GLib.IO_HUP, let_go)
        return handle


class Session(dbus.service.Object):
    locked = False

    @dbus.service.method("org.serambi.Test", in_signature="b")
    def Lock(self, locked):
        self.locked = bool(locked)

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        if (interface, name) != (SESSION, "LockedHint"):
            raise dbus.exceptions.DBusException("nothing else is known here")
        return dbus.Boolean(self.locked)


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
name = dbus.service.BusName(NAME, bus, do_not_queue=True)
manager = Manager(bus, "/org/freedesktop/login1")
session = Session(bus, "/org/freedesktop/login1/session/auto")
tell(event="ready")
GLib.MainLoop().run()
