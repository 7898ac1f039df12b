//! The commands of Chat's REST API: what each may do, who acts in it, how often it may be called.
//!
//! The built-in ones are read from `commands.tsv` beside this file, whose head explains its columns; a configuration may
//! declare more. Names are compared byte for byte. Nothing here knows who may call what.

mod risk;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

pub use self::risk::{Risk, RiskError};
use super::group_role::GroupField;

/// A command with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: CommandName,
    /// What a call of it can do.
    pub risk: Risk,
    /// The body's field that says which account acts; without the field in the body the admin account does.
    pub acting: Option<ActingField>,
    /// The body's field that names the group, where the call is about one whose members have roles.
    pub group: Option<GroupField>,
    /// How many calls a second Chat takes of it from the whole app.
    pub rate: NonZeroU32,
    /// Whether a call whose answer was lost may be sent again.
    pub repeatable: bool,
    /// What it does, in a sentence; empty for a declared one.
    pub description: Cow<'static, str>,
}

impl Command {
    /// Whether only a rule that names it may allow it: what cannot be undone or concerns the whole app, and what acts as
    /// anybody without a field that could be compared.
    pub fn is_allowed_by_name_only(&self) -> bool {
        match self.risk {
            Risk::Destructive | Risk::AppConfig | Risk::AppSecret => true,
            Risk::Impersonation => self.acting.is_none(),
            Risk::Read | Risk::ReadSensitive | Risk::Write | Risk::Import | Risk::Bulk => false,
        }
    }
}

/// The name of a command: `service/name`, each of the letters `A-Z a-z 0-9 _`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandName {
    text: Arc<str>,
    slash: usize,
}

/// Why a text is not the name of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a command is service/name, each of letters, digits and \"_\", as in \"openim/sendmsg\"")]
pub struct CommandNameError;

impl CommandName {
    /// Parses `service/name`.
    pub fn parse(text: &str) -> Result<Self, CommandNameError> {
        let (service, name) = text.split_once('/').ok_or(CommandNameError)?;
        if text.len() > MAX_NAME_BYTES || !is_word(service) || !is_word(name) {
            return Err(CommandNameError);
        }
        Ok(Self {
            text: text.into(),
            slash: service.len(),
        })
    }

    /// Service and name, as they stand in the path of a call.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The service.
    pub fn service(&self) -> &str {
        self.text.get(..self.slash).unwrap_or_default()
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where in a body the acting account stands: a member of the body, or of each item of one of its arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingField {
    text: Box<str>,
    list_bytes: Option<usize>,
}

/// Why a text is not an [`ActingField`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field is Name or List[].Name, of letters, digits and \"_\", as in \"From_Account\"")]
pub struct ActingFieldError;

impl ActingField {
    /// Parses `Name` or `List[].Name`.
    pub fn parse(text: &str) -> Result<Self, ActingFieldError> {
        let (list, member) = match text.split_once(ITEMS) {
            Some((list, member)) => (Some(list), member),
            None => (None, text),
        };
        if !list.is_none_or(is_word) || !is_word(member) {
            return Err(ActingFieldError);
        }
        Ok(Self {
            text: text.into(),
            list_bytes: list.map(str::len),
        })
    }

    /// The array of the body in whose items the member stands; `None` when it stands in the body itself.
    pub fn list(&self) -> Option<&str> {
        self.list_bytes.and_then(|end| self.text.get(..end))
    }

    /// The member's name.
    pub fn member(&self) -> &str {
        let start = self.list_bytes.map_or(0, |end| end + ITEMS.len());
        self.text.get(start..).unwrap_or_default()
    }
}

impl fmt::Display for ActingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All commands that are known, by name.
#[derive(Clone, Debug)]
pub struct Catalog(BTreeMap<Arc<str>, Arc<Command>>);

/// The command is in the catalogue already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this command is known already, and what is known of it stays")]
pub struct KnownCommand;

impl Catalog {
    /// The commands of `commands.tsv`.
    pub fn builtin() -> Self {
        // Every line can be read: a test counts them.
        let commands = BUILTIN.lines().filter_map(parse_line);
        Self(commands.map(entry).collect())
    }

    /// Adds a command that is not in the catalogue.
    pub fn declare(&mut self, command: Command) -> Result<(), KnownCommand> {
        if self.find(command.name.as_str()).is_some() {
            return Err(KnownCommand);
        }
        let (name, command) = entry(command);
        self.0.insert(name, command);
        Ok(())
    }

    /// The command of exactly this name, `service/name`.
    pub fn find(&self, name: &str) -> Option<&Arc<Command>> {
        self.0.get(name)
    }

    /// All commands in the order of their names.
    pub fn commands(&self) -> impl Iterator<Item = &Arc<Command>> {
        self.0.values()
    }
}

fn entry(command: Command) -> (Arc<str>, Arc<Command>) {
    (command.name.text.clone(), Arc::new(command))
}

fn parse_line(line: &'static str) -> Option<Command> {
    let mut columns = line.split('\t');
    let mut next = || columns.next();
    let command = Command {
        name: CommandName::parse(next()?).ok()?,
        risk: Risk::parse(next()?).ok()?,
        acting: match next()? {
            "-" => None,
            field => Some(ActingField::parse(field).ok()?),
        },
        group: match next()? {
            "-" => None,
            field => Some(GroupField::parse(field).ok()?),
        },
        rate: next()?.parse().ok()?,
        repeatable: match next()? {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        description: Cow::Borrowed(next()?),
    };
    columns.next().is_none().then_some(command)
}

pub(super) fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_letter)
}

const BUILTIN: &str = include_str!("commands.tsv");
const MAX_NAME_BYTES: usize = 128;
const ITEMS: &str = "[].";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_of_the_file_is_a_command_of_its_own() {
        let lines: Vec<&str> = BUILTIN
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(lines.len(), 204);
        let names: BTreeSet<_> = lines.iter().map(|line| line.split('\t').next()).collect();
        assert_eq!(names.len(), 204);
        for line in &lines {
            let command = parse_line(line).unwrap_or_else(|| panic!("{line}"));
            assert!(command.description.len() > 10, "{line}");
        }
        assert_eq!(Catalog::builtin().commands().count(), 204);
        let head = BUILTIN.lines().filter(|line| line.starts_with('#'));
        assert!(head.filter_map(parse_line).next().is_none());
    }

    #[test]
    fn the_file_agrees_with_what_is_documented() {
        let catalog = Catalog::builtin();
        let count = |risk| catalog.commands().filter(|one| one.risk == risk).count();
        let counts = Risk::ALL.map(|risk| (risk.as_str(), count(risk)));
        assert_eq!(
            counts,
            [
                ("read", 66),
                ("read-sensitive", 12),
                ("write", 32),
                ("impersonation", 27),
                ("import", 6),
                ("bulk", 7),
                ("destructive", 35),
                ("app-config", 17),
                ("app-secret", 2),
            ]
        );
        let acting = catalog.commands().filter(|one| one.acting.is_some());
        assert_eq!(acting.count(), 64);
        let group = catalog.commands().filter(|one| one.group.is_some());
        assert_eq!(group.count(), 44);
        for (name, rate) in [
            ("openim/sendmsg", 200),
            ("openim/batchsendmsg", 200),
            ("im_open_login_svc/account_delete", 100),
            ("im_open_login_svc/account_check", 100),
            ("im_open_login_svc/multiaccount_import", 100),
            ("all_member_push/im_push", 1),
            ("group_open_http_svc/send_broadcast_msg", 1),
        ] {
            assert_eq!(catalog.find(name).unwrap().rate.get(), rate, "{name}");
        }
    }

    #[test]
    fn only_what_does_nothing_or_the_same_may_be_repeated() {
        for command in Catalog::builtin().commands() {
            let sets_a_state = [
                "im_open_login_svc/account_import",
                "im_open_login_svc/multiaccount_import",
                "profile/portrait_set",
            ]
            .contains(&command.name.as_str());
            let is_look_up = matches!(command.risk, Risk::Read | Risk::ReadSensitive);
            let is_billed = command.description.contains("billed");
            assert_eq!(
                command.repeatable,
                sets_a_state || (is_look_up && !is_billed),
                "{}",
                command.name
            );
        }
    }

    #[test]
    fn u8_a_command_is_found_by_its_exact_name_only() {
        let catalog = Catalog::builtin();
        let found = catalog.find("ConfigSvc/GetIPList").unwrap();
        assert_eq!(
            (found.name.service(), found.risk),
            ("ConfigSvc", Risk::Read)
        );
        for name in [
            "configsvc/getiplist",
            "OPENIM/sendmsg",
            "openim/SendMsg",
            "openim/sendmsg/",
            "/openim/sendmsg",
            "openim",
            "sendmsg",
            "openim/sendmsg ",
            "openim/../im_open_login_svc/account_delete",
            "",
        ] {
            assert!(catalog.find(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn names_and_fields_have_one_form() {
        for name in [
            "a", "a/", "/b", "a/b/c", "a/b c", "a/b-c", "a/ü", "a.b/c", "",
        ] {
            assert_eq!(CommandName::parse(name), Err(CommandNameError), "{name:?}");
        }
        assert_eq!(CommandName::parse("a_1/B").unwrap().service(), "a_1");
        let long = format!("a/{}", "b".repeat(127));
        assert!(CommandName::parse(&long).is_err());
        assert!(CommandName::parse(&long[..128]).is_ok());

        for field in ["", "[].", "[].b", "a[].", "a[].b[].c", "a.b", "a[]b", "a b"] {
            assert_eq!(ActingField::parse(field), Err(ActingFieldError), "{field}");
        }
        let field = ActingField::parse("MsgList[].From_Account").unwrap();
        assert_eq!(
            (field.list(), field.member()),
            (Some("MsgList"), "From_Account")
        );
        let field = ActingField::parse("Owner_Account").unwrap();
        assert_eq!((field.list(), field.member()), (None, "Owner_Account"));
    }

    #[test]
    fn a_declared_command_joins_and_replaces_none() {
        let mut catalog = Catalog::builtin();
        let known = Command::clone(catalog.find("im_open_login_svc/kick").unwrap());
        let lowered = Command {
            risk: Risk::Read,
            ..known.clone()
        };
        assert_eq!(catalog.declare(lowered), Err(KnownCommand));
        let new = Command {
            name: CommandName::parse("new_svc/look").unwrap(),
            ..known.clone()
        };
        assert_eq!(catalog.declare(new), Ok(()));
        assert!(catalog.find("new_svc/look").is_some());
        let kick = catalog.find("im_open_login_svc/kick").unwrap();
        assert_eq!(**kick, known);
    }

    #[test]
    fn what_acts_as_anybody_without_a_field_is_allowed_by_name_only() {
        let catalog = Catalog::builtin();
        let by_name = |name: &str| catalog.find(name).unwrap().is_allowed_by_name_only();
        assert!(by_name("openim/modify_group_msg"));
        assert!(by_name("im_open_login_svc/account_delete"));
        assert!(by_name("live_config/get_callback_token"));
        assert!(by_name("all_member_push/im_set_attr_name"));
        assert!(!by_name("openim/sendmsg"));
        assert!(!by_name("group_open_http_svc/get_group_info"));
    }
}
