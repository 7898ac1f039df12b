// node verify_usersig.mjs KEY SDKAPPID USERID USERSIG: exit 0 when the UserSig is genuine and valid now, 1 otherwise.
// The twin of verify_usersig.py: another zlib, another JSON reader. NOW=<unix seconds> replaces the clock.
import { createHmac, timingSafeEqual } from "node:crypto";
import { inflateSync } from "node:zlib";

const [key, sdkAppId, userId, userSig] = process.argv.slice(2);
const now = Number(process.env.NOW ?? Math.floor(Date.now() / 1000));

function verify() {
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

let good = false;
try {
  good = process.argv.length === 6 && verify();
} catch {
  good = false;
}
process.exit(good ? 0 : 1);
