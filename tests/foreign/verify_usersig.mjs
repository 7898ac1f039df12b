// node verify_usersig.mjs KEY SDKAPPID USERID USERSIG: exit 0 when the UserSig is genuine and valid now, 1 otherwise.
// The twin of verify_usersig.py: another zlib, another JSON reader. Without arguments it reads lines
// `[KEY, SDKAPPID, USERID, USERSIG, NOW]` of JSON and prints `true` or `false` for each.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";

function verify(key, sdkAppId, userId, userSig, now) {
  const swap = { "*": "+", "-": "/", _: "=" };
  const base64 = userSig.replace(/[*\-_]/g, (letter) => swap[letter]);
  const raw = Buffer.from(base64, "base64");
  if (raw.toString("base64") !== base64) return false; // Buffer.from forgives, this does not
  const doc = JSON.parse(inflateSync(raw).toString("utf8"));
  const issued = doc["TLS.time"] ?? 0;
  const life = doc["TLS.expire"] ?? 0;
  let text = `TLS.identifier:${userId}\nTLS.sdkappid:${sdkAppId}\nTLS.time:${issued}\nTLS.expire:${life}\n`;
  if ("TLS.userbuf" in doc) text += `TLS.userbuf:${doc["TLS.userbuf"]}\n`;
  const mac = Buffer.from(createHmac("sha256", key).update(text).digest("base64"));
  const sig = Buffer.from(String(doc["TLS.sig"]));
  return (
    doc["TLS.ver"] === "2.0" &&
    doc["TLS.identifier"] === userId &&
    doc["TLS.sdkappid"] === Number(sdkAppId) &&
    mac.length === sig.length &&
    timingSafeEqual(mac, sig) &&
    now <= issued + life
  );
}

function isGood(...claim) {
  try {
    return verify(...claim);
  } catch {
    return false;
  }
}

const claim = process.argv.slice(2);
if (claim.length === 4) process.exit(isGood(...claim, Date.now() / 1000) ? 0 : 1);
if (claim.length !== 0) process.exit(1);
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) console.log(isGood(...JSON.parse(line)));
