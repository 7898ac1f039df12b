"""Talks to Chat's REST API with the PyPI package tencentcloud-sdk-python-im, of which nothing is changed.

talk.py BASE_URL SDK_APP_ID, the SecretKey on standard input. Prints one JSON line a call: [what, HTTP status, answer].
"""

import json
import sys
import time

from tencentcloud_im import tcim_client as im


def main(base, app, key):
    client = im.TCIMClient(app, key, "administrator", tencent_url=base)

    def show(what, response):
        print(json.dumps([what, response.status_code, response.json()]), flush=True)
        return response.json()

    show("import", client.add_single_user("ann", "Ann", ""))
    show("import many", client.batch_add_users(["ben", "cid"]))
    show("check", client.search_user(["ann", "eve"]))
    show("online", client.check_user_online(["ann", "eve"]))

    hello = [im.MessageText("hello")]
    sent = show("send", client.send_message(im.MessageObj("ann", "ben", hello)))
    show("send to many", client.batch_send_message(im.BatchMessageObj("ann", ["ben", "cid"], hello)))
    now = int(time.time())
    show("history", client.get_message_list("ann", "ben", 10, now - 600, now + 600))
    show("withdraw", client.draw_message("ann", "ben", sent["MsgKey"]))

    member = im.GroupMemObj("ben")
    group = show("create", client.create_group(im.GroupObj("ann", "Public", "Talk", mem_list=[member])))["GroupId"]
    show("add", client.add_group_member(group, [im.GroupMemObj("cid")]))
    show("mute", client.forbid_send_msg(group, ["cid"], 60))
    show("say", client.send_group_message(group, [im.MessageText("hi")], from_account="ben"))
    show("say muted", client.send_group_message(group, [im.MessageText("hi")], from_account="cid"))
    show("roles", client.get_mem_role_in_group(group, ["ann", "ben", "eve"]))
    show("hand over", client.change_group_owner(group, "ben"))
    show("rename", client.update_group_baseinfo(group, group_name="Talks"))
    show("info", client.get_group_detail([group]))
    show("members", client.get_group_mem_info_detail(group))
    show("groups", client.get_group())
    show("joined", client.get_joined_groups("cid"))
    show("group history", client.get_msg_in_group(group, 10))
    show("remove", client.delete_group_mem(group, ["cid"]))
    show("destroy", client.delete_group(group))
    show("kick", client.abolition_user_sig("ann"))
    show("delete", client.del_user(["ann", "eve"]))

    show("not imitated", client.get_online_member_num(group))
    stranger = im.TCIMClient(app, key[::-1], "administrator", tencent_url=base)
    show("another key", stranger.add_single_user("eve", "Eve", ""))
    user = im.TCIMClient(app, key, "ben", tencent_url=base)
    show("no administrator", user.add_single_user("eve", "Eve", ""))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.stdin.read().strip())
