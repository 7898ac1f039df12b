// provider.mjs TARGET PORT: the OpenID Connect provider that `setup` installed, at http://127.0.0.1:PORT.
// The client ann, secret pw-ann, gets JWT access tokens for the audience "web" with grant_type client_credentials.
// Every start rotates: a new key signs, and the one before it is still published. KEYS is the file that keeps them.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [target, port] = process.argv.slice(2);
const entry = pathToFileURL(`${target}/node/node_modules/oidc-provider/lib/index.js`);
const { default: Provider } = await import(entry);

const file = process.env.KEYS;
const before = existsSync(file) ? JSON.parse(readFileSync(file)) : [];
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "RS256", use: "sig" };
const keys = [key, ...before.slice(0, 1)];
writeFileSync(file, JSON.stringify(keys), { mode: 0o600 });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys },
  clients: [
    {
      client_id: "ann",
      client_secret: "pw-ann",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:app",
      getResourceServerInfo: () => ({
        audience: "web",
        accessTokenFormat: "jwt",
        accessTokenTTL: 600,
        scope: "",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1");
