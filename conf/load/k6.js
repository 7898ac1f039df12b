// Every iteration is another user's login: the endpoint is asked for the UserSig of the session, and must answer for that user.
//
//   k6 run -e FIXTURES="$PWD/load" -e BASE=http://127.0.0.1:8080 --vus 50 --iterations 10000 conf/load/k6.js

import { check } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';

const base = __ENV.BASE || 'http://127.0.0.1:8080';
const path = '/_chat/usersig';

// Read once for all virtual users. A path without / at its start is relative to this script.
const users = new SharedArray('users', () => JSON.parse(open(`${__ENV.FIXTURES}/users.json`)));

export const options = {
    thresholds: { checks: ['rate==1.0'] },
};

export default function () {
    const user = users[exec.scenario.iterationInTest % users.length];
    const answer = http.get(base + path, {
        headers: { Authorization: `Bearer ${user.token}` },
    });
    check(answer, {
        'status is 200': (response) => response.status === 200,
        'the login is for this user': (response) => response.json('userId') === user.userId,
    });
}
