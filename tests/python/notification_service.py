"""A desktop's notification service without a desktop: prints what it is asked to show, and presses what it is told to.

One JSON object a line. `Press(id, action)` on the same object does what a person's click would. After the Desktop
Notifications Specification 1.2; the main loop is GLib's, which dbus-python brings along.
"""

import ctypes
import json

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
DISMISSED, CLOSED_BY_PROGRAM = 2, 3


def tell(**fields):
    print(json.dumps(fields), flush=True)


class Service(dbus.service.Object):
    last = 0

    @dbus.service.method(NAME, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "body-markup"]

    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, program, replaces, icon, title, text, actions, hints, timeout):
        if not replaces:
            self.last += 1
        number = int(replaces) or self.last
        buttons = dict(zip(map(str, actions[::2]), map(str, actions[1::2])))
        tell(event="shown", id=number, replaces=int(replaces), title=str(title), text=str(text), buttons=buttons)
        return dbus.UInt32(number)

    @dbus.service.method(NAME, in_signature="u")
    def CloseNotification(self, number):
        tell(event="withdrawn", id=int(number))
        self.NotificationClosed(number, CLOSED_BY_PROGRAM)

    @dbus.service.method(NAME, in_signature="us")
    def Press(self, number, action):
        self.ActionInvoked(number, action)
        self.NotificationClosed(number, DISMISSED)

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, number, reason):
        pass

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, number, action):
        pass


DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus, do_not_queue=True)
service = Service(bus, PATH)
tell(event="ready")
glib = ctypes.CDLL("libglib-2.0.so.0")
glib.g_main_loop_new.restype = ctypes.c_void_p
glib.g_main_loop_run(ctypes.c_void_p(glib.g_main_loop_new(None, 0)))
