//! What of a request goes on to a house, and what of its answer comes back: what a page needs, each header by name.
//!
//! An answer is JSON or plain text under rules that let it be nothing but read, whatever the house says of it: all
//! houses of a gate share the gate's origin.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header, request, response,
    uri::{InvalidUri, PathAndQuery},
};

/// What a house reads. Whose page asks, the gate has looked at: `Origin` stays here.
const ASKED: &[HeaderName] = &[
    header::HOST,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];
/// What a page reads.
const ANSWERED: &[HeaderName] = &[header::CONTENT_TYPE, header::RETRY_AFTER, header::ALLOW];
/// What a WebSocket begins with.
const UPGRADED: &[HeaderName] = &[
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];
/// Kinds of content that no browser runs or shows as a page.
const KINDS: &[&str] = &["application/json", "text/plain"];

/// Why an answer does not come back.
#[derive(Debug, thiserror::Error)]
pub enum NotForwarded {
    /// It could be shown as a page, or run.
    #[error("the house answers with something that is neither JSON nor text")]
    Kind,
    /// The path without its beginning is none.
    #[error("the path: {0}")]
    Path(#[from] InvalidUri),
}

/// The same request to the house behind `beginning`.
///
/// # Errors
/// [`NotForwarded::Path`].
pub fn request(head: &request::Parts, beginning: &str) -> Result<request::Parts, NotForwarded> {
    let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path: PathAndQuery = path.strip_prefix(beginning).unwrap_or(path).parse()?;
    let mut forwarded = axum::http::Request::new(()).into_parts().0;
    forwarded.method.clone_from(&head.method);
    forwarded.uri = Uri::from(path);
    forwarded.version = Version::HTTP_11;
    forwarded.headers = only(&head.headers, ASKED);
    Ok(forwarded)
}

/// A house's answer for a page.
///
/// # Errors
/// [`NotForwarded::Kind`].
pub fn answer(head: &response::Parts) -> Result<response::Parts, NotForwarded> {
    let kind = head.headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let is_data = |kind: &str| KINDS.contains(&kind.split(';').next().unwrap_or_default().trim());
    if !kind.is_none_or(is_data) {
        return Err(NotForwarded::Kind);
    }
    let mut answer = with_headers(head.status, only(&head.headers, ANSWERED));
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        answer.headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}

/// The beginning of a WebSocket, for a page.
pub fn upgrade(head: &response::Parts) -> response::Parts {
    with_headers(head.status, only(&head.headers, UPGRADED))
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let named = headers.iter().filter(|(name, _)| names.contains(name));
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn with_headers(status: StatusCode, headers: HeaderMap) -> response::Parts {
    let mut head = axum::http::Response::new(()).into_parts().0;
    (head.status, head.headers) = (status, headers);
    head
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::{Request, Response};

    #[test]
    fn a_request_loses_its_beginning_and_what_a_house_has_no_use_for() {
        let asked = Request::get("/h/KEY/api/v1/events?after=3&session=x")
            .header(header::HOST, "gate.example")
            .header(header::ORIGIN, "https://gate.example")
            .header(header::COOKIE, "of another house")
            .header("x-forwarded-for", "192.0.2.1")
            .header(header::UPGRADE, "websocket");
        let forwarded = request(&asked.body(()).unwrap().into_parts().0, "/h/KEY").unwrap();
        assert_eq!(forwarded.uri, "/api/v1/events?after=3&session=x");
        assert_eq!(forwarded.headers.len(), 2);
        assert!(forwarded.headers.contains_key(header::UPGRADE) && !forwarded.headers.contains_key(header::COOKIE));
    }

    fn answered(kind: &str) -> Result<response::Parts, NotForwarded> {
        let said = Response::builder()
            .header(header::CONTENT_TYPE, kind)
            .header(header::SET_COOKIE, "a=b")
            .header("service-worker-allowed", "/")
            .header(header::CONTENT_SECURITY_POLICY, "default-src *");
        answer(&said.body(()).unwrap().into_parts().0)
    }

    /// One origin for all houses of a gate: a page of one would act for the guests of another.
    #[test]
    fn an_answer_is_data_and_sets_nothing_in_the_browser() {
        for kind in ["text/html", "text/javascript", "image/svg+xml", "application/xhtml+xml", ""] {
            assert!(answered(kind).is_err(), "{kind}");
        }
        for kind in ["application/json", "text/plain; charset=utf-8"] {
            let head = answered(kind).unwrap();
            assert!(!head.headers.contains_key(header::SET_COOKIE));
            assert!(!head.headers.contains_key("service-worker-allowed"));
            let policy = head.headers.get_all(header::CONTENT_SECURITY_POLICY).into_iter().collect::<Vec<_>>();
            assert_eq!(policy, ["default-src 'none'; frame-ancestors 'none'; sandbox"]);
            assert_eq!(head.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }
}
