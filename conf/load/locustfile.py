"""Every task is another user's login: the endpoint is asked for the UserSig of the session, and must answer for that user.

    FIXTURES=load locust -f conf/load/locustfile.py --headless --users 50 --spawn-rate 50 --run-time 30s \
        --host http://127.0.0.1:8080
"""

import csv
import itertools
import os

from locust import FastHttpUser, constant, task

with open(os.path.join(os.environ.get("FIXTURES", "load"), "users.csv"), newline="") as file:
    USERS = list(csv.DictReader(file))

# Shared by all simulated users of this process, so that each login is another's.
NEXT = itertools.cycle(USERS)


class ChatLogin(FastHttpUser):
    """Somebody who opens the app and needs a Chat login."""

    wait_time = constant(0)

    @task
    def login(self):
        user = next(NEXT)
        headers = {"Authorization": "Bearer " + user["token"]}
        with self.client.get("/_chat/usersig", headers=headers, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif answer.json()["userId"] != user["user_id"]:
                answer.failure("the login is for another user")
