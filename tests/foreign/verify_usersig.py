"""verify_usersig.py KEY SDKAPPID USERID USERSIG: exit 0 when the UserSig is genuine and valid now, 1 otherwise.

Written from Tencent's published scheme alone and shares nothing with the Rust code. Without arguments it reads lines
`[KEY, SDKAPPID, USERID, USERSIG, NOW]` of JSON and prints `true` or `false` for each, for known answers that expired.
"""
import base64, binascii, hashlib, hmac, json, sys, time, zlib


def verify(key, sdk_app_id, user_id, user_sig, now):
    raw = base64.b64decode(user_sig.translate(str.maketrans("*-_", "+/=")), validate=True)
    doc = json.loads(zlib.decompress(raw))
    issued, life = doc.get("TLS.time", 0), doc.get("TLS.expire", 0)  # the Go package leaves zeros out
    text = f"TLS.identifier:{user_id}\nTLS.sdkappid:{sdk_app_id}\nTLS.time:{issued}\nTLS.expire:{life}\n"
    if "TLS.userbuf" in doc:
        text += f"TLS.userbuf:{doc['TLS.userbuf']}\n"
    mac = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()
    same_user = (doc["TLS.ver"], doc["TLS.identifier"], doc["TLS.sdkappid"]) == ("2.0", user_id, sdk_app_id)
    return same_user and hmac.compare_digest(mac, doc["TLS.sig"]) and now <= issued + life


def is_good(key, sdk_app_id, user_id, user_sig, now):
    try:
        return verify(key, int(sdk_app_id), user_id, user_sig, now)
    except (ValueError, KeyError, TypeError, binascii.Error, zlib.error):
        return False


if len(sys.argv) == 5:
    sys.exit(0 if is_good(*sys.argv[1:], time.time()) else 1)
if len(sys.argv) != 1:
    sys.exit(__doc__)
for line in sys.stdin:
    print("true" if is_good(*json.loads(line)) else "false")
