//! The page for people without the app: what `npm run build:browser` makes of `ui/`, inside the program.

/// Paths and contents. `NAME.gz` is the compressed form of `NAME`, where that is smaller.
pub const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page_to_begin_with() {
        assert!(FILES.iter().any(|(name, content)| *name == "index.html" && !content.is_empty()));
    }
}
