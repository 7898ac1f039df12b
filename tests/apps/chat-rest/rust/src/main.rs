//! Calls the gateway with the crate `tencent_im_rs`, of which nothing is changed.
//!
//! `chat-rest DOMAIN SDK_APP_ID CA`, the session token on standard input; `DOMAIN` is what stands between `https://` and
//! `/v4`, and `CA` the certificate to trust. Prints one JSON line a call: what, and the answer.
//!
//! The crate takes the domain and a UserSig as they are, and lends its HTTP client, in whose place one with a header stands.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, AUTHORIZATION};
use reqwest::{Certificate, Client};
use serde::Serialize;
use tencent_im_rs::api::v4::common::{Group, GroupType, MsgBody, MsgContent};
use tencent_im_rs::api::v4::group_open_http_svc::create_group::api_create_group;
use tencent_im_rs::api::v4::im_open_login_svc::account_delete::{
    api_account_delete, AccountDeleteRequest, DeleteItem,
};
use tencent_im_rs::api::v4::im_open_login_svc::account_import::{
    api_account_import, AccountImportRequest,
};
use tencent_im_rs::api::v4::open_im::admin_getroammsg::{
    api_admin_getroammsg, AdminGetRoamMsgRequest,
};
use tencent_im_rs::api::v4::open_im::send_msg::{api_sendmsg, SendMsgRequest};
use tencent_im_rs::api::v4::TencentHelper;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let [domain, app, ca] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: chat-rest DOMAIN SDK_APP_ID CA".into());
    };
    let token = std::io::read_to_string(std::io::stdin())?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", token.trim()).parse()?);
    let ca = Certificate::from_pem(&std::fs::read(ca)?)?;
    let client = |headers| {
        let client = Client::builder().default_headers(headers);
        client.add_root_certificate(ca.clone()).build()
    };
    let admin = "administrator".to_owned();
    let sig = "no UserSig at all".to_owned();
    let mut chat = TencentHelper::new(domain.clone(), app.parse()?, admin, sig);
    *chat.get_client() = client(headers)?;
    talk(&mut chat).await?;
    *chat.get_client() = client(HeaderMap::new())?;
    let import = AccountImportRequest::new("eve");
    show("no token", &api_account_import(&mut chat, import).await?)
}

async fn talk(chat: &mut TencentHelper) -> Result<(), Failure> {
    for name in ["ann", "ben"] {
        let import = AccountImportRequest::new(name);
        show("import", &api_account_import(chat, import).await?)?;
    }
    let mut message = hello("ben");
    message.set_from_account(Some("ann"));
    show("send", &api_sendmsg(chat, message).await?)?;
    let mut group = Group::new();
    group.set_name(Some("Talk"));
    group.set_group_type(Some(GroupType::Public));
    group.set_owner_account(Some("ann"));
    show("create", &api_create_group(chat, group).await?)?;
    show(
        "history",
        &api_admin_getroammsg(chat, history("ann", "ben")?).await?,
    )?;

    let delete = AccountDeleteRequest::new(vec![DeleteItem::new("ben")]);
    show("delete", &api_account_delete(chat, delete).await?)?;
    let mut message = hello("ann");
    message.set_from_account(Some("ben"));
    show("send as ben", &api_sendmsg(chat, message).await?)?;
    let history = history("ben", "ann")?;
    show(
        "history of ben",
        &api_admin_getroammsg(chat, history).await?,
    )
}

fn hello(to: &str) -> SendMsgRequest {
    let text = MsgContent::content_text("hello");
    SendMsgRequest::new(to, 7, vec![MsgBody::new(MsgContent::str_text(), text)])
}

fn history(of: &str, with: &str) -> Result<AdminGetRoamMsgRequest, Failure> {
    let now = u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    Ok(AdminGetRoamMsgRequest::new(
        of,
        with,
        10,
        now - 600,
        now + 600,
    ))
}

fn show(what: &str, answer: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(&(what, answer))?);
    Ok(())
}
