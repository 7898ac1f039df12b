// Calls the gateway with the npm package imsdk-restapi-nodejs-es6-sdk, of which nothing is changed.
//
// gateway.mjs BASE_URL SDK_APP_ID TARGET, the session token on standard input; TARGET is where `setup` installed. Prints one
// JSON line a call: [what, answer, error]. The package names Chat's host itself, and sends by axios, whose defaults and
// interceptors are the application's: one sends to another host with the header. It signs with a private key, as Chat did
// before its signatures of today; here with one that Chat has never seen.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const [base, app, target] = process.argv.slice(2);
const token = readFileSync(0, "utf8").trim();
const main = createRequire(path.join(target, "node", "package.json")).resolve("imsdk-restapi-nodejs-es6-sdk");
const Api = createRequire(main)(main);
const axios = createRequire(main)("axios");

axios.defaults.headers.common.Authorization = `Bearer ${token}`;
axios.interceptors.request.use((config) => {
    config.url = config.url.replace("https://console.tim.qq.com/v4", base);
    return config;
});

const api = new Api({
    sdkAppid: app,
    identifier: "administrator",
    accountType: "1",
    privateKeyPath: fileURLToPath(new URL("../../keys/tls/app.private.pem", import.meta.url)),
    expireAfter: 3600,
});
api.init();

async function show(what, service, command, body) {
    let answer, error = null;
    try {
        answer = (await api.request(service, command, body)).data;
    } catch (raised) {
        answer = raised.response.data;
        error = raised.message;
    }
    console.log(JSON.stringify([what, answer, error]));
}

const text = [{ MsgType: "TIMTextElem", MsgContent: { Text: "hello" } }];
const now = Math.floor(Date.now() / 1000);
const between = { MaxCnt: 10, MinTime: now - 600, MaxTime: now + 600 };
for (const name of ["ann", "ben"]) {
    await show("import", "im_open_login_svc", "account_import", { Identifier: name, Nick: name });
}
await show("send", "openim", "sendmsg", { To_Account: "ben", MsgRandom: 7, MsgBody: text });
await show("create", "group_open_http_svc", "create_group", { Type: "Public", Name: "Talk" });
await show("history", "openim", "admin_getroammsg", { Peer_Account: "ben", ...between });

await show("delete", "im_open_login_svc", "account_delete", { DeleteItem: [{ UserID: "ben" }] });
await show("send as ben", "openim", "sendmsg", { From_Account: "ben", To_Account: "ann", MsgRandom: 8, MsgBody: text });
await show("history of ben", "openim", "admin_getroammsg", { Operator_Account: "ben", Peer_Account: "ann", ...between });
delete axios.defaults.headers.common.Authorization;
await show("no token", "im_open_login_svc", "account_import", { Identifier: "eve" });
