"""A desktop's portal for keys (org.freedesktop.portal.GlobalShortcuts) that asks nobody: it gives what is proposed.

    key_portal.py FILE            started by the session bus; writes what it was asked for to FILE, a JSON object a line

`Press` and `Release` of org.serambi.Test, on the portal's object, do what the keyboard would. Needs python3-dbus and
python3-gi.
"""

import json
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.portal.Desktop"
PATH = "/org/freedesktop/portal/desktop"
KEYS = "org.freedesktop.portal.GlobalShortcuts"
REQUEST = "org.freedesktop.portal.Request"
SESSION = "org.freedesktop.portal.Session"
TEST = "org.serambi.Test"


def say(**line):
    with open(sys.argv[1], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class Request(dbus.service.Object):
    """A question: answered once, after whoever asked knows where to listen."""

    @dbus.service.signal(REQUEST, signature="ua{sv}")
    def Response(self, response, results):
        pass

    def answer(self, results):
        self.Response(dbus.UInt32(0), dbus.Dictionary(results, signature="sv"))
        self.remove_from_connection()
        return False


class Session(dbus.service.Object):
    """Keys of one program, until it closes them."""

    @dbus.service.method(SESSION)
    def Close(self):
        say(event="closed")
        self.remove_from_connection()


class Portal(dbus.service.Object):
    def __init__(self, bus):
        super().__init__(bus, PATH)
        self.bus = bus
        self.session = None

    def asked(self, kind, sender, token):
        owner = sender[1:].replace(".", "_")
        return dbus.ObjectPath(f"{PATH}/{kind}/{owner}/{token}")

    def answer(self, sender, options, results):
        request = Request(self.bus, self.asked("request", sender, options["handle_token"]))
        GLib.idle_add(request.answer, results)
        return request._object_path

    @dbus.service.method(KEYS, in_signature="a{sv}", out_signature="o", sender_keyword="sender")
    def CreateSession(self, options, sender):
        self.session = self.asked("session", sender, options["session_handle_token"])
        Session(self.bus, self.session)
        return dbus.ObjectPath(self.answer(sender, options, {"session_handle": dbus.String(self.session)}))

    @dbus.service.method(KEYS, in_signature="oa(sa{sv})sa{sv}", out_signature="o", sender_keyword="sender")
    def BindShortcuts(self, session, shortcuts, parent, options, sender):
        keys = {str(name): {str(key): str(value) for key, value in about.items()} for name, about in shortcuts}
        say(event="bound", keys=keys)
        given = [
            dbus.Struct(
                (name, dbus.Dictionary(
                    {"description": about["description"], "trigger_description": "Press " + about["preferred_trigger"]},
                    signature="sv",
                )),
                signature="sa{sv}",
            )
            for name, about in keys.items()
        ]
        return dbus.ObjectPath(self.answer(sender, options, {"shortcuts": dbus.Array(given, signature="(sa{sv})")}))

    @dbus.service.signal(KEYS, signature="osta{sv}")
    def Activated(self, session, name, at, options):
        pass

    @dbus.service.signal(KEYS, signature="osta{sv}")
    def Deactivated(self, session, name, at, options):
        pass

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return {"version": dbus.UInt32(1)} if interface == KEYS else {}

    @dbus.service.method(TEST, in_signature="s")
    def Press(self, name):
        self.Activated(self.session, name, dbus.UInt64(0), dbus.Dictionary({}, signature="sv"))

    @dbus.service.method(TEST, in_signature="s")
    def Release(self, name):
        self.Deactivated(self.session, name, dbus.UInt64(0), dbus.Dictionary({}, signature="sv"))


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
session_bus = dbus.SessionBus()
portal = Portal(session_bus)
held = dbus.service.BusName(NAME, session_bus, do_not_queue=True)
GLib.MainLoop().run()
