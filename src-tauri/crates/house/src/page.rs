//! The page for people without the app: static files at `/` and, for a link to a room, at `/r/ROOM`.

use std::path::PathBuf;

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::services::{ServeDir, ServeFile};

/// Paths and contents of a page that is inside the program. `NAME.gz` is the compressed form of `NAME`.
pub type PageFiles = &'static [(&'static str, &'static [u8])];

/// Where the page comes from.
#[derive(Clone, Debug, Default)]
pub enum Page {
    /// There is none.
    #[default]
    None,
    /// From the program itself.
    Inside(PageFiles),
    /// From a folder of static files.
    Folder(PathBuf),
}

/// What every page begins with.
const INDEX: &str = "index.html";
/// Where the build puts files whose names hold the hash of their content.
const HASHED: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Kept, and asked for again each time: it names the hashed ones.
const ASKED_AGAIN: &str = "no-cache";

/// Where the page is, and at a gate besides: the same page for each of its houses.
const PLACES: &[&str] = &["/", "/r/{room}"];
const PLACES_AT_A_GATE: &[&str] = &["/h/{key}", "/h/{key}/", "/h/{key}/r/{room}"];

/// The routes of the page; of `fallback` what is not one of them. `media_url`: another server that carries the sound.
/// `is_gate`: the page is for houses behind this one as well.
pub fn serve(router: Router, page: &Page, media_url: Option<&str>, is_gate: bool) -> Router {
    let places = PLACES.iter().chain(if is_gate { PLACES_AT_A_GATE } else { &[] });
    let rules = rules(media_url);
    let with_page = match page {
        Page::None => return router,
        Page::Inside(files) => {
            let files: PageFiles = files;
            let index = move |headers: HeaderMap| async move { file(files, INDEX, &headers) };
            let asset = move |Path(name): Path<String>, headers: HeaderMap| async move {
                file(files, &format!("{HASHED}{name}"), &headers)
            };
            let router = Router::new().route("/assets/{*name}", get(asset));
            places.fold(router, |router, place| router.route(place, get(index)))
        }
        Page::Folder(folder) => {
            let index = ServeFile::new(folder.join(INDEX));
            let router = Router::new().fallback_service(ServeDir::new(folder));
            places.skip(1).fold(router, |router, place| router.route_service(place, index.clone()))
        }
    };
    let with_rules = with_page.layer(axum::middleware::map_response(move |mut response: Response| {
        rules.iter().for_each(|(name, value)| drop(response.headers_mut().insert(name, value.clone())));
        std::future::ready(response)
    }));
    match page {
        Page::Folder(_) => router.fallback_service(with_rules),
        _ => router.merge(with_rules),
    }
}

/// What a browser may do with the page: load what this house serves, talk to this house and to the server that carries
/// the sound, be shown in no other page, and use the microphone.
fn rules(media_url: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    // The signalling is a WebSocket; what went wrong with it is asked for over HTTP at the same place.
    let media = media_url.map(|url| format!(" {url} {}", url.replacen("ws", "http", 1))).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
         media-src 'self' blob:; connect-src 'self'{media}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    match HeaderValue::try_from(policy) {
        Ok(policy) => fixed.chain([(header::CONTENT_SECURITY_POLICY, policy)]).collect(),
        Err(_) => {
            tracing::warn!("the address of the media server cannot stand in a header: pages will not reach it");
            let without = HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'");
            fixed.chain([(header::CONTENT_SECURITY_POLICY, without)]).collect()
        }
    }
}

fn file(files: PageFiles, name: &str, asked: &HeaderMap) -> Response {
    let find = |name: &str| files.iter().find(|(listed, _)| *listed == name).map(|(_, content)| *content);
    let Some(plain) = find(name) else { return StatusCode::NOT_FOUND.into_response() };
    let compressed = find(&format!("{name}.gz")).filter(|_| takes_gzip(asked));
    let caching = if name.starts_with(HASHED) { FOR_EVER } else { ASKED_AGAIN };
    let mut response = Response::new(Body::from(compressed.unwrap_or(plain)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if compressed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let mut codings = codings.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        // RFC 9110 section 12.4.2: a weight of 0 is a refusal.
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// What the build makes, and no more.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::Request;
    use tower::ServiceExt;

    const FILES: PageFiles = &[
        ("assets/a-1.js", b"let a = 1"),
        ("assets/a-1.js.gz", b"smaller"),
        ("assets/f-2.woff2", b"font"),
        ("index.html", b"<!doctype html>"),
    ];

    async fn ask(path: &str, gzip: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let api = Router::new().fallback(|| async { (StatusCode::NOT_FOUND, "the API's own") });
        let router = serve(api, &Page::Inside(FILES), Some("wss://sound.example"), true);
        let mut request = Request::get(path);
        if let Some(gzip) = gzip {
            request = request.header(header::ACCEPT_ENCODING, gzip);
        }
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, head.headers, axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn a_link_to_a_room_gives_the_page_and_it_is_asked_for_again() {
        for path in ["/", "/r/aB3dE5gH7k", "/h/KEY", "/h/KEY/", "/h/KEY/r/aB3dE5gH7k"] {
            let (status, headers, body) = ask(path, None).await;
            assert_eq!((status, body.as_slice()), (StatusCode::OK, b"<!doctype html>".as_slice()), "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        }
        let (status, _, body) = ask("/assets/../index.html", None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{body:?}");
        assert_eq!(ask("/nowhere", None).await.2, b"the API's own");
    }

    #[tokio::test]
    async fn hashed_files_are_kept_for_ever_and_compressed_for_whoever_takes_it() {
        for (gzip, expected) in [
            (Some("gzip, deflate, br"), b"smaller".as_slice()),
            (Some("br, GZIP;q=0.5"), b"smaller"),
            (Some("br, gzip;q=0"), b"let a = 1"),
            (None, b"let a = 1"),
        ] {
            let (_, headers, body) = ask("/assets/a-1.js", gzip).await;
            assert_eq!(body, expected, "{gzip:?}");
            assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
            assert_eq!(headers.contains_key(header::CONTENT_ENCODING), expected == b"smaller");
        }
        assert_eq!(ask("/assets/f-2.woff2", Some("gzip")).await.2, b"font");
    }

    #[tokio::test]
    async fn a_page_may_ask_its_house_and_the_server_of_the_sound_and_nobody_else() {
        let (_, headers, _) = ask("/", None).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("connect-src 'self' wss://sound.example https://sound.example;"), "{policy}");
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
