//! The parts that are counted: what a request of a known user takes, and what the others take on top.

use std::hint::black_box;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::json;
use usersig_proxy::identity::{ReservedNames, UserId};
use usersig_proxy::json::insert::insert;
use usersig_proxy::json::{JsonPointer, parse_object};
use usersig_proxy::policy::HostName;
use usersig_proxy::rest_api::admit::{Admission, Body, Bounds};
use usersig_proxy::rest_api::catalog::{Catalog, CommandName};
use usersig_proxy::rest_api::outcome::Answer;
use usersig_proxy::rest_api::policy::{AllowedRoles, Policy, RestCaller, Roles, Rule, Selector};
use usersig_proxy::rest_api::sign::{AdminAccount, Endpoint, Host, Signer};
use usersig_proxy::token::BearerToken;
use usersig_proxy::token::keys::Algorithm;

use crate::fixtures::{
    App, NOW, SUBJECT, claims, filled, headers, identity_map, issuer, repetitive_user, secret_key,
    signing, sources, user_id, users,
};
use crate::site::{
    PUBLIC_PATH, SESSION_PATH, asked_paths, authorize, authorizer, find, many_routes, path,
};

/// A part by its name; what it needs is made once, before it is done again and again.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// How much more often it is done in the second process.
    pub(crate) more: u64,
    prepare: fn() -> Box<dyn FnMut()>,
}

/// Does a part so many times.
pub(crate) fn run(name: &str, times: u64) {
    let part = PARTS.iter().find(|part| part.name == name);
    let mut work = (part.unwrap().prepare)();
    for _ in 0..times {
        work();
    }
}

pub(crate) const PARTS: &[Part] = &[
    heavy("authorize/session_known", || {
        decide(64 << 20, SESSION_PATH, true)
    }),
    heavy("authorize/session_hs256", || decide(0, SESSION_PATH, true)),
    heavy("authorize/public", || decide(0, PUBLIC_PATH, true)),
    heavy("authorize/token_missing", || decide(0, SESSION_PATH, false)),
    heavy("authorize/bad_token", refuse_forged),
    heavy("token/extract", extract),
    heavy("token/verify/HS256", verify),
    heavy("identity/map/plain", map),
    heavy("usersig/issue", || issue(users(USERS))),
    heavy("usersig/issue_by_zlib", || issue(vec![repetitive_user()])),
    light("usersig/cache_hit", hit_cache),
    heavy("json/parse_claims", parse_claims),
    heavy("json/insert_login", insert_login),
    heavy("policy/host_parse", parse_host),
    heavy("policy/path_parse/plain", || parse_path(SESSION_PATH)),
    heavy("policy/path_parse/percent_codes", || parse_path(CODED_PATH)),
    light("policy/route_lookup/1", || look_up(1)),
    light("policy/route_lookup/100", || look_up(100)),
    light("policy/route_lookup/10000", || look_up(10_000)),
    heavy("rest_api/admit", admit),
    heavy("rest_api/sign", sign),
    heavy("rest_api/read_answer", read_answer),
];

const fn heavy(name: &'static str, prepare: fn() -> Box<dyn FnMut()>) -> Part {
    let more = 1000;
    Part {
        name,
        more,
        prepare,
    }
}

/// Done more often, for what is made beforehand is much and takes a little more or less in each process.
const fn light(name: &'static str, prepare: fn() -> Box<dyn FnMut()>) -> Part {
    let more = 20_000;
    Part {
        name,
        more,
        prepare,
    }
}

fn decide(token_memory: usize, path: &'static str, with_token: bool) -> Box<dyn FnMut()> {
    let app = App::new(Algorithm::Hs256);
    let token = with_token.then(|| app.token(SUBJECT));
    let (authorizer, headers) = (authorizer(&app, token_memory), headers(token.as_deref()));
    let is_good = with_token;
    Box::new(move || {
        let decision = authorize(&authorizer, path, black_box(&headers));
        assert_eq!(decision.is_ok(), is_good);
    })
}

fn refuse_forged() -> Box<dyn FnMut()> {
    let app = App::new(Algorithm::Hs256);
    let (authorizer, headers) = (
        authorizer(&app, 0),
        headers(Some(&app.forged_token(SUBJECT))),
    );
    Box::new(move || {
        authorize(&authorizer, SESSION_PATH, black_box(&headers)).unwrap_err();
    })
}

fn extract() -> Box<dyn FnMut()> {
    let headers: HeaderMap = headers(Some(&App::new(Algorithm::Hs256).token(SUBJECT)));
    let sources = sources();
    Box::new(move || {
        let found = sources.extract(black_box(&headers), None, false);
        found.unwrap().unwrap();
    })
}

fn verify() -> Box<dyn FnMut()> {
    let app = App::new(Algorithm::Hs256);
    let verifier = app.verifier();
    let token = BearerToken::parse(&app.token(SUBJECT)).unwrap();
    Box::new(move || {
        verifier.verify(black_box(&token), NOW).unwrap();
    })
}

fn map() -> Box<dyn FnMut()> {
    let claims = parse_object(claims(SUBJECT).to_string().as_bytes()).unwrap();
    let map = identity_map(vec![]);
    Box::new(move || {
        map.map(black_box(&claims)).unwrap();
    })
}

/// Of users in turn: how long it takes depends on the name.
fn issue(users: Vec<UserId>) -> Box<dyn FnMut()> {
    let issuer = issuer();
    let mut asking = users.into_iter().cycle();
    Box::new(move || {
        let user = asking.next().unwrap();
        issuer.issue(black_box(&user), NOW).unwrap();
    })
}

fn hit_cache() -> Box<dyn FnMut()> {
    let (issuer, users) = (issuer(), users(USERS));
    let cache = filled(&users, 4 * USERS);
    let mut asking = users.into_iter().cycle();
    Box::new(move || {
        let user = asking.next().unwrap();
        cache.get_or_issue(&user, &signing(&issuer), NOW).unwrap();
    })
}

fn parse_claims() -> Box<dyn FnMut()> {
    let text = claims(SUBJECT).to_string();
    Box::new(move || {
        parse_object(black_box(text.as_bytes())).unwrap();
    })
}

/// Into an answer of 1 KB, with a member as long as the one with a login.
fn insert_login() -> Box<dyn FnMut()> {
    let answer = json!({ "access_token": text(480), "items": text(500) }).to_string();
    let login = json!({ "userId": SUBJECT, "userSig": text(250), "expiresAt": NOW.as_secs() });
    let (login, place) = (login.to_string(), JsonPointer::parse("/chat").unwrap());
    Box::new(move || {
        insert(black_box(answer.as_bytes()), &place, &login).unwrap();
    })
}

fn parse_host() -> Box<dyn FnMut()> {
    Box::new(|| drop(HostName::from_authority(black_box("app.example.com:8443")).unwrap()))
}

fn parse_path(text: &'static str) -> Box<dyn FnMut()> {
    Box::new(move || drop(path(black_box(text))))
}

fn look_up(count: usize) -> Box<dyn FnMut()> {
    let host = HostName::parse("app.example.com").unwrap();
    let table = many_routes(count);
    let mut asking = asked_paths(count).into_iter().cycle();
    Box::new(move || find(&table, &host, &asking.next().unwrap()))
}

/// A message of 1 KB, in whose body the acting account is set.
fn admit() -> Box<dyn FnMut()> {
    let command = CommandName::parse(SEND).unwrap();
    let rule = Rule {
        label: "members-send".into(),
        selector: Selector::Commands(vec![command.clone()]),
        roles: AllowedRoles::OneOf(vec!["member".to_owned()]),
        issuers: vec![],
        acting: None,
        group_role: None,
        conditions: vec![],
    };
    let policy = Policy::build(Catalog::builtin(), vec![rule]).unwrap();
    let claims = parse_object(claims(SUBJECT).to_string().as_bytes()).unwrap();
    let roles = Roles::of(&claims, &JsonPointer::parse("/roles").unwrap());
    let reserved = Arc::new(ReservedNames::new(["administrator", "admin"]));
    let sdk_app_id = issuer().sdk_app_id();
    let body = json!({
        "To_Account": user_id(1).as_str(),
        "MsgRandom": 1_287_657,
        "MsgBody": [{ "MsgType": "TIMTextElem", "MsgContent": { "Text": text(880) } }],
    });
    let body = body.to_string();
    Box::new(move || {
        let caller = RestCaller {
            user_id: user_id(0),
            issuer: "app",
            roles: roles.clone(),
        };
        let grant = policy.decide(&command, &caller).unwrap();
        let body = Body::parse(black_box(body.as_bytes())).unwrap();
        let bounds = Bounds {
            reserved: &reserved,
            sdk_app_id,
        };
        let admission = body.admit(&grant, &caller, bounds).unwrap();
        assert!(matches!(admission, Admission::Given(_)));
    })
}

fn signer() -> Signer {
    Signer::new(
        Endpoint::of_region("china").unwrap(),
        issuer().sdk_app_id(),
        secret_key(),
        AdminAccount::parse("administrator").unwrap(),
    )
}

fn sign() -> Box<dyn FnMut()> {
    let signer = signer();
    Box::new(move || {
        signer.sign(SEND, Host::Main, black_box(7), NOW).unwrap();
    })
}

/// An answer of 1 KB, in which the credential of the call is looked for.
fn read_answer() -> Box<dyn FnMut()> {
    let call = signer().sign(SEND, Host::Main, 7, NOW).unwrap();
    let answer = json!({
        "ActionStatus": "OK",
        "ErrorInfo": "",
        "ErrorCode": 0,
        "MsgKey": text(940),
    });
    let answer = answer.to_string();
    Box::new(move || {
        let read = Answer::read(black_box(answer.as_bytes()), call.secrets());
        assert!(read.unwrap().is_success());
    })
}

/// Something to read, of so many bytes.
fn text(bytes: usize) -> String {
    WORDS.chars().cycle().take(bytes).collect()
}

const WORDS: &str = "the quick brown fox jumps over 13 lazy dogs, ";
const CODED_PATH: &str = "/files/%E4%BD%A0%E5%A5%BD/report%20(1).pdf";
const SEND: &str = "openim/sendmsg";
const USERS: u64 = 1000;
