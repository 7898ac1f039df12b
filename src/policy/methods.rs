//! The methods of a route.
//!
//! Names are a closed list in upper case: a typo must not quietly leave the meant method to the default access. GET
//! brings HEAD along, because servers answer HEAD from the handler of GET.

use http::Method;

/// The methods that a route lists, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// Every method, also those that nobody has registered.
    Any,
    /// Those in the list.
    Listed(MethodList),
}

/// A list of methods that is not empty and has HEAD where it has GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodList(Vec<Method>);

/// Why names are not a list of methods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodsError {
    /// An empty list would make a route that nothing reaches.
    #[error("the list of methods is empty; leave it out to mean every method")]
    Empty,
    /// Not one of the registered methods that have a path.
    #[error(
        "\"{name}\" is not a method that a route can list; methods are written in upper case, as in \"POST\""
    )]
    Unknown {
        /// The name as it was written.
        name: String,
    },
}

impl Methods {
    /// The names that a route may list.
    pub fn known() -> &'static [&'static str] {
        &KNOWN_METHODS
    }

    /// Parses names as a route lists them.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, MethodsError> {
        if names.is_empty() {
            return Err(MethodsError::Empty);
        }
        let mut list = names
            .iter()
            .map(|name| parse_method(name.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        if list.contains(&Method::GET) {
            list.push(Method::HEAD);
        }
        list.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        list.dedup();
        Ok(Self::Listed(MethodList(list)))
    }

    /// Whether `method` is one of these; methods are compared with case (RFC 9110 section 9.1).
    pub fn contains(&self, method: &Method) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => list.0.contains(method),
        }
    }

    /// Whether some method is in both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => list.0.iter().any(|method| other.contains(method)),
        }
    }

    /// The names that a list holds; none for [`Methods::Any`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let listed = match self {
            Self::Any => [].as_slice(),
            Self::Listed(list) => list.0.as_slice(),
        };
        listed.iter().map(Method::as_str)
    }
}

fn parse_method(name: &str) -> Result<Method, MethodsError> {
    let known = KNOWN_METHODS.contains(&name);
    known
        .then(|| Method::from_bytes(name.as_bytes()).ok())
        .flatten()
        .ok_or_else(|| MethodsError::Unknown {
            name: name.to_owned(),
        })
}

/// RFC 9110 without CONNECT, which has no path; RFC 5789; WebDAV with its versioning, access control and search.
const KNOWN_METHODS: [&str; 21] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "CHECKIN",
    "CHECKOUT",
    "ACL",
    "SEARCH",
    "QUERY",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_brings_head_and_head_does_not_bring_get() {
        let get = Methods::parse(&["GET"]).unwrap();
        assert!(get.contains(&Method::GET) && get.contains(&Method::HEAD));
        let head = Methods::parse(&["HEAD"]).unwrap();
        assert!(head.contains(&Method::HEAD) && !head.contains(&Method::GET));
    }

    #[test]
    fn u6_a_method_in_lower_case_is_another_method() {
        let post = Methods::parse(&["POST"]).unwrap();
        let lower = Method::from_bytes(b"post").unwrap();
        assert!(post.contains(&Method::POST));
        assert!(!post.contains(&lower));
        assert!(Methods::Any.contains(&lower));
    }

    #[test]
    fn u6_names_that_no_request_should_rely_on_are_refused() {
        for name in ["post", "PSOT", "CONNECT", "*", "", "GET,POST", " GET"] {
            let expected = MethodsError::Unknown {
                name: name.to_owned(),
            };
            assert_eq!(Methods::parse(&["GET", name]), Err(expected), "{name}");
        }
        assert_eq!(Methods::parse::<&str>(&[]), Err(MethodsError::Empty));
        for name in KNOWN_METHODS {
            assert!(Methods::parse(&[name]).is_ok(), "{name}");
        }
    }

    #[test]
    fn lists_overlap_when_one_method_is_in_both() {
        let list = |names: &[&str]| Methods::parse(names).unwrap();
        let cases = [
            ("same", list(&["POST"]), list(&["PUT", "POST"]), true),
            ("apart", list(&["POST"]), list(&["GET"]), false),
            ("head of get", list(&["GET"]), list(&["HEAD"]), true),
            ("any and list", Methods::Any, list(&["POST"]), true),
            ("any twice", Methods::Any, Methods::Any, true),
        ];
        for (case, a, b, expected) in cases {
            assert_eq!(a.overlaps(&b), expected, "{case}");
            assert_eq!(b.overlaps(&a), expected, "{case}, turned around");
        }
    }
}
