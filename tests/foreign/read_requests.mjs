// An app that answers each request with how it read it: [method, target, [name, value, ..], body], bytes as Latin-1.
//
// Usage: node read_requests.mjs PORT
import { createServer } from "node:http";

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts).toString("latin1");
    const read = [request.method, request.url, request.rawHeaders, body];
    response.end(JSON.stringify(read));
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
