//! Method and path -> endpoint and path parameters.

use axum::http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// Method and path pattern, such as `GET /list/{list}/contacts`.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) pattern: &'static str,
    /// Whether a request changes anything when it succeeds.
    pub(super) writes: bool,
}

/// An endpoint that changes nothing.
pub(super) const fn reads(pattern: &'static str) -> Endpoint {
    Endpoint { pattern, writes: false }
}

/// An endpoint that changes what the account holds.
pub(super) const fn writes(pattern: &'static str) -> Endpoint {
    Endpoint { pattern, writes: true }
}

/// The endpoint of a request, and its path parameters, decoded.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) endpoint: &'static Endpoint,
    pub(super) parameters: Vec<String>,
}

/// Why a request has no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    UnknownPath,
    WrongMethod,
}

impl NoRoute {
    /// How the counters name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown path",
            Self::WrongMethod => "wrong method",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

/// Finds the endpoint for a path below `/v1`. Parameters may be percent-encoded or not.
pub(super) fn find(endpoints: &'static [Endpoint], method: &Method, path: &str) -> Result<Route, NoRoute> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut known = false;
    for endpoint in endpoints {
        let Some((wanted, pattern)) = endpoint.pattern.split_once(" /") else { continue };
        let Some(parameters) = parameters(pattern, &parts) else { continue };
        if wanted == method.as_str() {
            return Ok(Route { endpoint, parameters });
        }
        known = true;
    }
    Err(if known { NoRoute::WrongMethod } else { NoRoute::UnknownPath })
}

fn parameters(pattern: &str, parts: &[&str]) -> Option<Vec<String>> {
    let pattern = pattern.split('/');
    if pattern.clone().count() != parts.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (wanted, part) in pattern.zip(parts) {
        if wanted.starts_with('{') {
            parameters.push(percent_decode_str(part).decode_utf8_lossy().into_owned());
        } else if wanted != *part {
            return None;
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ENDPOINTS: &[Endpoint] = &[
        reads("GET /contacts/custom_fields"),
        reads("GET /contacts/{bookmark}"),
        reads("GET /contact/{contact}"),
        writes("POST /list/{list}/contact/{contact}"),
    ];

    fn found(method: Method, path: &str) -> (&'static str, Vec<String>) {
        let route = find(ENDPOINTS, &method, path).unwrap();
        (route.endpoint.pattern, route.parameters)
    }

    #[test]
    fn parameters_are_read_encoded_or_not() {
        let email = ("GET /contact/{contact}", vec!["ann+x@example.org".to_owned()]);
        assert_eq!(found(Method::GET, "/contact/ann+x@example.org"), email);
        assert_eq!(found(Method::GET, "contact/ann%2Bx%40example.org/"), email);
        let (_, parameters) = found(Method::POST, "/list/contactlist_Segment%20Contacts/contact/person_1");
        assert_eq!(parameters, ["contactlist_Segment Contacts", "person_1"]);
    }

    #[test]
    fn the_first_endpoint_that_matches_counts() {
        assert_eq!(found(Method::GET, "/contacts/custom_fields").0, "GET /contacts/custom_fields");
        assert_eq!(found(Method::GET, "/contacts/person_1").0, "GET /contacts/{bookmark}");
    }

    #[test]
    fn a_wrong_method_differs_from_an_unknown_path() {
        let missing = |method, path| find(ENDPOINTS, &method, path).unwrap_err();
        assert_eq!(missing(Method::PUT, "/contact/ann"), NoRoute::WrongMethod);
        assert_eq!(missing(Method::GET, "/people"), NoRoute::UnknownPath);
        assert_eq!(missing(Method::GET, "/"), NoRoute::UnknownPath);
    }
}
