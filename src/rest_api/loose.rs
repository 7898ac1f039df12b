//! Names of members as a careless reader of JSON takes them.
//!
//! Some readers ignore the case of names, drop underscores or end a name at a NUL. A member that such a reader takes for one
//! that was judged is refused wherever it stands beside it.

use serde_json::Value;

use crate::json::Object;

/// A member is spelled so that a careless reader takes it for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misspelled;

/// The member of exactly this name; one that only looks like it is an error.
pub(super) fn find<'o>(object: &'o Object, name: &str) -> Result<Option<&'o Value>, Misspelled> {
    let wanted = Loose::new(name);
    match object.keys().any(|key| wanted.is_alias(key)) {
        true => Err(Misspelled),
        false => Ok(object.get(name)),
    }
}

/// A name in all its spellings.
pub(super) struct Loose<'n> {
    exact: &'n str,
    folded: String,
}

impl<'n> Loose<'n> {
    pub(super) fn new(exact: &'n str) -> Self {
        Self {
            exact,
            folded: folded(exact),
        }
    }

    /// Whether `name` is the name, in whatever spelling.
    pub(super) fn is(&self, name: &str) -> bool {
        match name.is_ascii() {
            true => fold_ascii(name).eq(self.folded.bytes()),
            false => fold(name).eq(self.folded.chars()),
        }
    }

    /// Whether `name` is another spelling of the name.
    pub(super) fn is_alias(&self, name: &str) -> bool {
        name != self.exact && self.is(name)
    }
}

/// A name as a careless reader compares it: its letters and digits, without case.
pub(super) fn folded(name: &str) -> String {
    match name.is_ascii() {
        true => fold_ascii(name).map(char::from).collect(),
        false => fold(name).collect(),
    }
}

/// The same as [`fold`], for the names that nearly everybody uses.
fn fold_ascii(name: &str) -> impl Iterator<Item = u8> {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase())
}

/// Letters and digits without case. Twice, since `ſ` meets `s` in upper case and the Kelvin sign meets `k` in lower case.
fn fold(name: &str) -> impl Iterator<Item = char> {
    name.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|letter| letter.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_unless_another_looks_like_it() {
        for alias in [
            "from_account",
            "FROM_ACCOUNT",
            "FromAccount",
            "From-Account",
            " From_Account",
            "From_Account\0",
            "From__Account",
        ] {
            let object = Object::from_iter([(alias.to_owned(), Value::Null)]);
            assert_eq!(find(&object, "From_Account"), Err(Misspelled), "{alias:?}");
        }
        for (name, alias) in [
            ("Subscriber_Account", "\u{17f}ubscriber_Account"),
            ("K", "\u{212a}"),
            ("Id", "\u{131}d"),
        ] {
            assert!(Loose::new(name).is_alias(alias), "{alias}");
        }
        let names = ["From_Account", "From_Accounts", "To_Account", "Account"];
        let object = Object::from_iter(names.map(|name| (name.to_owned(), name.into())));
        let found = find(&object, "From_Account").unwrap();
        assert_eq!(found, Some(&"From_Account".into()));
        assert_eq!(find(&object, "Owner_Account"), Ok(None));
    }
}
