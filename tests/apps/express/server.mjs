// server.mjs TARGET PORT: an app with Express and jsonwebtoken as their own documentation shows them, on 127.0.0.1:PORT.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [target, port] = process.argv.slice(2);
const require = createRequire(`${target}/node/`);
const express = require("express5");
const jwt = require("jsonwebtoken");

const secret = readFileSync(`${target}/secrets/express`, "utf8");
const users = [{ id: 7, name: "ann", password: "correct horse" }];
const app = express();
app.use(express.json());

app.get("/", (_, response) => response.send("welcome"));

app.post("/login", (request, response) => {
  const user = users.find(({ name, password }) => name === request.body.name && password === request.body.password);
  if (!user) return response.status(401).json({ message: "wrong name or password" });
  const token = jwt.sign({ id: user.id }, secret, { expiresIn: "1h" });
  response.cookie("token", token, { httpOnly: true }).json({ token });
});

// The token that somebody gets who forgot `expiresIn`.
app.post("/forever", (_, response) => response.json({ token: jwt.sign({ id: 7 }, secret) }));

app.get("/api/me", (request, response) => {
  const cookie = /(?:^|; )token=([^;]+)/.exec(request.get("Cookie") ?? "")?.[1];
  const bearer = request.get("Authorization")?.replace("Bearer ", "");
  try {
    const { id } = jwt.verify(bearer ?? cookie, secret);
    response.json({ name: users.find((user) => user.id === id).name, chat: request.get("X-Chat-UserID") });
  } catch {
    response.status(401).json({ message: "no session" });
  }
});

app.listen(Number(port), "127.0.0.1");
