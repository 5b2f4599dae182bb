"""A place for tray icons (StatusNotifierItem), and a hand for their menus (com.canonical.dbusmenu). No picture is drawn.

    tray_host.py serve            takes icons until it is ended; says so when it is ready
    tray_host.py menu             prints the icon's file and the lines of its menu, as JSON
    tray_host.py choose LABEL     presses the entry that begins with LABEL
    tray_host.py time LABEL       the same, and prints when it was pressed and when the icon became another one, as JSON

Needs python3-dbus and python3-gi, and the session bus of the app that is looked at.
"""

import json
import sys
import time

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
LIMIT_S = 10


class Watcher(dbus.service.Object):
    """Where icons announce themselves."""

    def __init__(self, bus):
        super().__init__(bus, "/StatusNotifierWatcher")
        self.items = []

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, service, sender):
        name, path = (sender, service) if service.startswith("/") else (service, "/StatusNotifierItem")
        self.items = [item for item in self.items if not item.startswith(name + "/")] + [name + path]

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, service):
        pass

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return {
            "RegisteredStatusNotifierItems": dbus.Array(self.items, signature="s"),
            "IsStatusNotifierHostRegistered": True,
            "ProtocolVersion": dbus.Int32(0),
        }


def serve():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    # Served before it is announced: icons come at once.
    watcher = Watcher(bus)
    name = dbus.service.BusName(WATCHER, bus, do_not_queue=True)
    print("ready", flush=True)
    GLib.MainLoop().run()
    del watcher, name


class Icon:
    """The one icon there is."""

    def __init__(self):
        self.bus = dbus.SessionBus()
        watcher = self.bus.get_object(WATCHER, "/StatusNotifierWatcher", introspect=False)
        end = time.monotonic() + LIMIT_S
        items = []
        while not items:
            items = watcher.Get(WATCHER, "RegisteredStatusNotifierItems", dbus_interface=PROPERTIES)
            if time.monotonic() > end:
                sys.exit("no icon has come")
            time.sleep(0.05)
        self.name, _, path = str(items[-1]).partition("/")
        self.path = "/" + path

    def property(self, name):
        item = self.bus.get_object(self.name, self.path, introspect=False)
        return item.Get(ITEM, name, dbus_interface=PROPERTIES)

    def menu(self):
        return self.bus.get_object(self.name, self.property("Menu"), introspect=False)

    def entries(self):
        """(id, label, usable, mark) of each entry; separators have no label, what cannot be marked no mark."""
        wanted = dbus.Array(["label", "enabled", "type", "toggle-type", "toggle-state"], signature="s")
        _, (_, _, children) = self.menu().GetLayout(0, -1, wanted, dbus_interface=MENU)
        for identifier, properties, _ in children:
            # An underscore marks the letter that is underlined; two are one.
            label = str(properties.get("label", "")).replace("__", "\0").replace("_", "").replace("\0", "_")
            marks = {0: "[off] ", 1: "[on] "} if properties.get("toggle-type") else {}
            mark = marks.get(int(properties.get("toggle-state", -1)), "")
            yield int(identifier), label, bool(properties.get("enabled", True)), mark


def menu():
    icon = Icon()
    lines = [mark + label if usable else f"({label})" for _, label, usable, mark in icon.entries() if label]
    print(json.dumps({"icon": str(icon.property("IconName")), "lines": lines}))


def choose(label):
    icon = Icon()
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        found = [identifier for identifier, entry, usable, _ in icon.entries() if usable and entry.startswith(label)]
        if found:
            try:
                press = dbus.Int32(0, variant_level=1)
                icon.menu().Event(found[0], "clicked", press, dbus.UInt32(0), dbus_interface=MENU)
                return
            except dbus.DBusException as error:
                # The menu has changed since it was read.
                if "does not refer to a menu item" not in str(error):
                    raise
        time.sleep(0.05)
    sys.exit(f"the menu has no {label}")


def time_press(label):
    """Both in milliseconds since 1970."""
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    icon = Icon()
    loop = GLib.MainLoop()
    times = {}

    def changed():
        times["icon"] = time.time() * 1000
        loop.quit()

    icon.bus.add_signal_receiver(changed, "NewIcon", ITEM, icon.name, icon.path)
    identifier = next(identifier for identifier, entry, usable, _ in icon.entries() if usable and entry.startswith(label))
    times["pressed"] = time.time() * 1000
    press = dbus.Int32(0, variant_level=1)
    icon.menu().Event(identifier, "clicked", press, dbus.UInt32(0), dbus_interface=MENU, ignore_reply=True)
    GLib.timeout_add_seconds(LIMIT_S, loop.quit)
    loop.run()
    if "icon" not in times:
        sys.exit("the icon stays as it is")
    print(json.dumps(times))


if __name__ == "__main__":
    order, *arguments = sys.argv[1:]
    {"serve": serve, "menu": menu, "choose": choose, "time": time_press}[order](*arguments)
