//! Keeps WebKitGTK and GTK from painting through software OpenGL where there is no usable graphics card.

/// The way WebKitGTK hands pictures to the screen.
#[cfg(target_os = "linux")]
const DMABUF_SWITCH: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
/// The graphics card of WebKitGTK's pages; without it our process loads OpenGL to ask which that is.
#[cfg(target_os = "linux")]
const RENDER_NODE: &str = "WEBKIT_WEB_RENDER_DEVICE_FILE";
/// No such file: pages that paint without OpenGL open none.
#[cfg(target_os = "linux")]
const NO_RENDER_NODE: &str = "/dev/dri/none";
/// GTK 3 loads OpenGL to ask which windows could use it, although ours does not.
#[cfg(target_os = "linux")]
const GTK_OPENGL: &str = "GDK_GL";

/// Without a render node, or with NVIDIA's own driver, WebKitGTK's default renderer paints 3 to 9 times slower, takes
/// 30 % more memory, or shows a blank window (<https://github.com/tauri-apps/tauri/issues/9304>). Without one, software
/// OpenGL (a compiler, LLVM) takes 26 MB of our process as well, for two questions. The person's own settings win.
#[cfg(target_os = "linux")]
pub fn choose_renderer() {
    let has_render_node = std::fs::read_dir("/dev/dri")
        .is_ok_and(|nodes| nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD")));
    let has_nvidia_driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
    if !has_render_node || has_nvidia_driver {
        set_unless_chosen(DMABUF_SWITCH, "1");
    }
    if !has_render_node && !has_nvidia_driver {
        set_unless_chosen(RENDER_NODE, NO_RENDER_NODE);
        set_unless_chosen(GTK_OPENGL, "disable");
    }
}

#[cfg(target_os = "linux")]
fn set_unless_chosen(name: &str, value: &str) {
    if std::env::var_os(name).is_none() {
        // SAFETY: called first in `run`, before any thread or GTK call exists that could read the environment.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Nothing to choose elsewhere.
#[cfg(not(target_os = "linux"))]
pub fn choose_renderer() {}
