"""The page of the one Serambi window on this desktop as a screen reader sees it, over AT-SPI: as text, one line for each
part that has a name or is more than a wrapper, indented by depth.

What other computers on the network offer is left out: it is not the test's.
"""

import re
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

PROGRAM = "serambi"
PAGE = "document web"
# The room one is in stands under the one until the network says that it is there, then under the other.
OF_THE_NETWORK = {"On this network", "You are here"}
# Containers that mean nothing by themselves: only what is in them counts.
WRAPPERS = {"section", "paragraph", "panel", "label", "static", "filler", "text", "status bar", "notification", "menu"}
# WebKitGTK shows what is in them at some times and not at others.
LISTS_OF_THE_SYSTEM = {"combo box", "menu"}
# What is told of an object besides role and name.
STATES = {
    Atspi.StateType.FOCUSED: "focused",
    Atspi.StateType.CHECKED: "checked",
    Atspi.StateType.EXPANDED: "expanded",
    Atspi.StateType.INVALID_ENTRY: "invalid",
    Atspi.StateType.BUSY: "busy",
    Atspi.StateType.MODAL: "modal",
}
EMBEDDED = "\ufffc"


def children(object):
    if object.get_role_name() in LISTS_OF_THE_SYSTEM:
        return []
    found = (object.get_child_at_index(index) for index in range(object.get_child_count()))
    return [child for child in found if child is not None]


def own_text(object):
    if "Text" not in object.get_interfaces():
        return ""
    length = Atspi.Text.get_character_count(object)
    return re.sub(r"\s+", " ", Atspi.Text.get_text(object, 0, length).replace(EMBEDDED, " ")).strip()


def role_of(object, attributes):
    """ARIA's word where there is one: AT-SPI has one for all landmarks."""
    role = object.get_role_name()
    if role == "landmark":
        return attributes.get("xml-roles", role)
    return f"heading {attributes['level']}" if role == "heading" and "level" in attributes else role


def line_of(object):
    attributes = object.get_attributes() or {}
    role, name, text = role_of(object, attributes), object.get_name(), own_text(object)
    is_wrapper = object.get_role_name() in WRAPPERS
    if is_wrapper and not name and not text:
        return None
    states = object.get_state_set()
    told = [word for state, word in STATES.items() if states.contains(state)]
    if states.contains(Atspi.StateType.EXPANDABLE) and "expanded" not in told:
        told.append("collapsed")
    if not states.contains(Atspi.StateType.ENABLED):
        told.append("disabled")
    if "current" in attributes:
        told.append("current")
    parts = ["text" if is_wrapper and not name else role]
    parts += [f'"{name or text}"'] if name or (is_wrapper and text) else []
    # Readers pass over a description that is the name once more.
    parts += [f"– {object.get_description()}"] if object.get_description() not in ("", name) else []
    parts += [f"[{', '.join(told)}]"] if told else []
    parts += [f"keys {attributes['keyshortcuts']}"] if attributes.get("keyshortcuts") else []
    return " ".join(parts)


def show(object, depth):
    line = line_of(object)
    if line is not None:
        print("  " * depth + line)
        depth += 1
    skips = False
    for child in children(object):
        if child.get_name() in OF_THE_NETWORK:
            # A heading is followed by the list that it is of.
            skips = child.get_role_name() == "heading"
        elif skips:
            skips = False
        else:
            show(child, depth)


def page_in(object):
    if object.get_role_name() == PAGE:
        return object
    return next((page for page in map(page_in, children(object)) if page), None)


programs = [program for program in children(Atspi.get_desktop(0)) if program.get_name() == PROGRAM]
pages = [page for page in map(page_in, programs) if page]
if not pages:
    sys.exit(f"no page of {PROGRAM} among {[program.get_name() for program in children(Atspi.get_desktop(0))]}")
show(pages[0], 0)
