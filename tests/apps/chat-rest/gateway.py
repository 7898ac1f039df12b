"""Calls the gateway with the PyPI package tencentcloud-sdk-python-im, of which nothing is changed.

gateway.py BASE_URL SDK_APP_ID, the session token on standard input. Prints one JSON line a call: [what, answer, error].
The package has no option for headers, but sends by `requests`: the session here stands in its place, with the header.
"""

import json
import sys
import time

import requests
from tencentcloud_im import tcim_client as im


def main(base, app, token):
    im.requests = requests.Session()
    im.requests.headers["Authorization"] = f"Bearer {token}"
    # It signs each call itself, with a key that is nobody's.
    client = im.TCIMClient(app, "0" * 64, "administrator", tencent_url=base)

    def show(what, response):
        try:
            response.raise_for_status()
            error = None
        except requests.HTTPError as raised:
            error = str(raised.response.status_code)
        print(json.dumps([what, response.json(), error]), flush=True)
        return response.json()

    for name in ["ann", "ben"]:
        show("import", client.add_single_user(name, name.title(), ""))
    hello = [im.MessageText("hello")]
    show("send", client.send_message(im.MessageObj("ann", "ben", hello)))
    show("create", client.create_group(im.GroupObj("ann", "Public", "Talk", mem_list=[im.GroupMemObj("ben")])))
    now = int(time.time())
    show("history", client.get_message_list("ann", "ben", 10, now - 600, now + 600))

    show("delete", client.del_user(["ben"]))
    show("send as ben", client.send_message(im.MessageObj("ben", "ann", hello)))
    show("history of ben", client.get_message_list("ben", "ann", 10, now - 600, now + 600))
    del im.requests.headers["Authorization"]
    show("no token", client.add_single_user("eve", "Eve", ""))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.stdin.read().strip())
