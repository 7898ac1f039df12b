//! The demo app's users. Their passwords are public; the page prints them beside the login form.

/// A user as the app knows one, and as its session token names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoUser<'a> {
    /// The claim `sub`: the app's number for the user, as a string.
    pub id: &'a str,
    /// The claim `name`.
    pub name: &'a str,
    /// The claim `roles`.
    pub roles: &'a [&'a str],
}

/// A user who can log in to the demo app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoAccount {
    /// The name for the login form.
    pub login: &'static str,
    /// The password, which everybody may know.
    pub password: &'static str,
    /// Who that is.
    pub user: DemoUser<'static>,
}

impl DemoAccount {
    /// The account with this login name or this user id.
    pub fn find(name: &str) -> Option<&'static Self> {
        ACCOUNTS
            .iter()
            .find(|account| account.login == name || account.user.id == name)
    }
}

/// Everybody who can log in: two members and one of the support staff.
pub const ACCOUNTS: [DemoAccount; 3] = [
    DemoAccount {
        login: "alice",
        password: "wonderland",
        user: DemoUser {
            id: "27149",
            name: "Alice",
            roles: &["member"],
        },
    },
    DemoAccount {
        login: "bob",
        password: "builder",
        user: DemoUser {
            id: "27150",
            name: "Bob",
            roles: &["member"],
        },
    },
    DemoAccount {
        login: "carol",
        password: "helpdesk",
        user: DemoUser {
            id: "31005",
            name: "Carol",
            roles: &["support"],
        },
    },
];
