//! A group: its profile, its members and who of them is muted. Messages are in the archive.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::identity::UserId;
use crate::time::UnixTime;

/// One group.
pub(super) struct Group {
    /// Never given twice, unlike the ID.
    pub(super) serial: u64,
    pub(super) kind: Kind,
    /// The texts of the profile, by the name that requests and answers give them: `Name`, `Introduction` and so on.
    pub(super) texts: BTreeMap<&'static str, String>,
    pub(super) max_members: usize,
    pub(super) is_muted: bool,
    pub(super) created: UnixTime,
    /// When the profile changed last.
    pub(super) changed: UnixTime,
    pub(super) last_message: Option<UnixTime>,
    /// What the next message gets.
    pub(super) next_seq: u64,
    pub(super) custom: BTreeMap<String, Value>,
    /// In the order in which they joined.
    pub(super) members: Vec<Member>,
    /// Until when who may not speak; it outlives a membership.
    pub(super) muted_until: HashMap<UserId, UnixTime>,
}

/// One member.
pub(super) struct Member {
    pub(super) user: UserId,
    pub(super) role: Role,
    pub(super) joined: UnixTime,
    pub(super) last_message: Option<UnixTime>,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Owner,
    Admin,
    Member,
}

/// The type of a group. `Work` and `Meeting` are newer names of `Private` and `ChatRoom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Private,
    Public,
    ChatRoom,
    AvChatRoom,
    Community,
}

impl Group {
    /// The member of that account.
    pub(super) fn member(&self, user: UserId) -> Option<&Member> {
        self.members.iter().find(|member| member.user == user)
    }

    /// The account that owns it; a group may have none.
    pub(super) fn owner(&self) -> Option<UserId> {
        let is_owner = |member: &&Member| member.role == Role::Owner;
        self.members.iter().find(is_owner).map(|member| member.user)
    }

    /// Takes the number of a new message.
    pub(super) fn count_message(&mut self, from: UserId, now: UnixTime) -> u64 {
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        self.last_message = Some(now);
        for member in &mut self.members {
            if member.user == from {
                member.last_message = Some(now);
            }
        }
        seq
    }

    /// Takes an account out, if it is in.
    pub(super) fn remove(&mut self, user: UserId) {
        self.members.retain(|member| member.user != user);
    }

    /// Until when an account may not speak, zero when it may.
    pub(super) fn muted_until(&self, user: UserId, now: UnixTime) -> u64 {
        let until = self.muted_until.get(&user).filter(|until| now < **until);
        until.map_or(0, |until| until.as_secs())
    }

    /// The profile with the members' names that Chat gives them, its custom fields apart.
    pub(super) fn profile(&self, sdk_app_id: u32) -> Map<String, Value> {
        let seconds = |time: Option<UnixTime>| time.map_or(0, UnixTime::as_secs);
        let mute_all = if self.is_muted { "On" } else { "Off" };
        let members = json!({
            "Type": self.kind.name(),
            "Appid": sdk_app_id,
            "Owner_Account": self.owner().map(|owner| owner.to_string()).unwrap_or_default(),
            "CreateTime": self.created.as_secs(),
            "LastInfoTime": self.changed.as_secs(),
            "LastMsgTime": seconds(self.last_message),
            "NextMsgSeq": self.next_seq,
            "MemberNum": self.members.len(),
            "MaxMemberNum": self.max_members,
            "MuteAllMember": mute_all,
            "ShutUpAllMember": mute_all,
        });
        let mut profile = match members {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        for name in TEXTS {
            let text = self.texts.get(name).cloned().unwrap_or_default();
            profile.insert(name.to_owned(), json!(text));
        }
        profile
    }

    /// What Chat tells of one member.
    pub(super) fn member_info(&self, member: &Member, now: UnixTime) -> Map<String, Value> {
        let muted_until = self.muted_until(member.user, now);
        let info = json!({
            "Member_Account": member.user.to_string(),
            "Role": member.role.name(),
            "JoinTime": member.joined.as_secs(),
            "MsgSeq": self.next_seq.saturating_sub(1),
            "MsgFlag": "AcceptAndNotify",
            "LastSendMsgTime": member.last_message.map_or(0, UnixTime::as_secs),
            "MuteUntil": muted_until,
            "ShutUpUntil": muted_until,
        });
        match info {
            Value::Object(info) => info,
            _ => Map::new(),
        }
    }
}

impl Member {
    /// One who joins now.
    pub(super) fn new(user: UserId, role: Role, now: UnixTime) -> Self {
        Self {
            user,
            role,
            joined: now,
            last_message: None,
        }
    }
}

impl Role {
    /// The name in answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Admin => "Admin",
            Self::Member => "Member",
        }
    }
}

impl Kind {
    /// The type of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "Private" | "Work" => Some(Self::Private),
            "Public" => Some(Self::Public),
            "ChatRoom" | "Meeting" => Some(Self::ChatRoom),
            "AVChatRoom" => Some(Self::AvChatRoom),
            "Community" => Some(Self::Community),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Private => "Private",
            Self::Public => "Public",
            Self::ChatRoom => "ChatRoom",
            Self::AvChatRoom => "AVChatRoom",
            Self::Community => "Community",
        }
    }
}

/// The texts of a group's profile.
pub(super) const TEXTS: [&str; 5] = [
    "Name",
    "Introduction",
    "Notification",
    "FaceUrl",
    "ApplyJoinOption",
];
