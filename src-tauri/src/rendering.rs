//! Keeps WebKitGTK from painting through software OpenGL where there is no usable graphics card.

/// The way WebKitGTK hands pictures to the screen.
#[cfg(target_os = "linux")]
const DMABUF_SWITCH: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Without a render node, or with NVIDIA's own driver, WebKitGTK's default renderer paints 3 to 9 times slower, takes
/// 30 % more memory, or shows a blank window (<https://github.com/tauri-apps/tauri/issues/9304>). The person's own
/// setting wins.
#[cfg(target_os = "linux")]
pub fn choose_renderer() {
    let has_render_node = std::fs::read_dir("/dev/dri")
        .is_ok_and(|nodes| nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD")));
    let has_nvidia_driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
    if std::env::var_os(DMABUF_SWITCH).is_none() && (!has_render_node || has_nvidia_driver) {
        // SAFETY: called first in `run`, before any thread or GTK call exists that could read the environment.
        unsafe { std::env::set_var(DMABUF_SWITCH, "1") };
    }
}

/// Nothing to choose elsewhere.
#[cfg(not(target_os = "linux"))]
pub fn choose_renderer() {}
