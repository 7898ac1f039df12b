//! Roles: what a token gives and what a rule asks for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::{JsonPointer, Object};

/// The roles that a session token gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<String>);

impl Roles {
    /// Reads the claim: a text of words between spaces, as in `scope` (RFC 6749 section 3.3), or an array of texts, each a role
    /// as it is. Anything else gives no role, and so does an array that holds anything else.
    pub fn of(claims: &Object, claim: &JsonPointer) -> Self {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        let texts = |items: &Vec<Value>| {
            let text = |item: &Value| item.as_str().map(str::to_owned);
            items.iter().map(text).collect::<Option<BTreeSet<_>>>()
        };
        let mut roles = match claim.find(claims) {
            Some(Value::String(text)) => words(text),
            Some(Value::Array(items)) => texts(items).unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        roles.remove("");
        Self(roles)
    }

    /// The roles in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The roles that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedRoles {
    /// None: everybody with a session.
    Everybody,
    /// One of these; case counts.
    OneOf(Vec<String>),
}

impl AllowedRoles {
    pub(super) fn include(&self, roles: &Roles) -> bool {
        match self {
            Self::Everybody => true,
            Self::OneOf(names) => names.iter().any(|name| roles.0.contains(name)),
        }
    }

    /// Whether whoever the other one allows is allowed by this.
    pub(super) fn include_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everybody, _) => true,
            (Self::OneOf(_), Self::Everybody) => false,
            (Self::OneOf(all), Self::OneOf(some)) => some.iter().all(|name| all.contains(name)),
        }
    }

    /// Whether both name the same role, or both everybody.
    pub(super) fn share(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everybody, Self::Everybody) => true,
            (Self::OneOf(one), Self::OneOf(two)) => one.iter().any(|name| two.contains(name)),
            (Self::Everybody, Self::OneOf(_)) | (Self::OneOf(_), Self::Everybody) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_come_as_text_list_or_scope() {
        for (claim, roles) in [
            (json!("member"), vec!["member"]),
            (json!("chat:read chat:send"), vec!["chat:read", "chat:send"]),
            (json!(" a  b "), vec!["a", "b"]),
            (
                json!(["member", "super admin"]),
                vec!["member", "super admin"],
            ),
            (json!(["a", "a", ""]), vec!["a"]),
            (json!(["a", 1]), vec![]),
            (json!(["a", ["b"]]), vec![]),
            (json!({"a": true}), vec![]),
            (json!(1), vec![]),
            (json!(true), vec![]),
            (json!(null), vec![]),
            (json!(""), vec![]),
        ] {
            let claims = json!({"app": {"roles": claim}});
            let pointer = JsonPointer::parse("/app/roles").unwrap();
            let found = Roles::of(claims.as_object().unwrap(), &pointer);
            assert_eq!(found.iter().collect::<Vec<_>>(), roles, "{claims}");
        }
        let pointer = JsonPointer::parse("/roles").unwrap();
        assert_eq!(Roles::of(&Object::new(), &pointer), Roles::default());
    }

    #[test]
    fn a_role_counts_as_it_is_written() {
        let one = AllowedRoles::OneOf(vec!["member".to_owned(), "support".to_owned()]);
        let roles = |names: &[&str]| Roles(names.iter().map(|name| (*name).to_owned()).collect());
        assert!(one.include(&roles(&["x", "support"])));
        for names in [&["Member"][..], &["member "], &["memb"], &[]] {
            assert!(!one.include(&roles(names)), "{names:?}");
        }
        assert!(AllowedRoles::Everybody.include(&roles(&[])));
    }
}
