// Every command of the window, by name: read by build.rs (each then needs a permission) and held against the
// registered commands and the capability by a test.
const COMMAND_NAMES: &[&str] = &[
    "open_app",
    "set_name",
    "set_language",
    "set_theme",
    "start_room",
    "join_room",
    "join_link",
    "look_at_link",
    "save_house",
    "forget_house",
    "command",
    "accept_invitation",
    "set_muted",
    "leave",
    "end_room",
    "hear_levels",
    "close_window",
    "painted",
];
