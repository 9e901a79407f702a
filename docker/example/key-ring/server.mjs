// Two keys at once: after a refresh new tokens are signed with the new key, and those signed with the old one verify until they age out.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const MINUTES_VALID = 15;

export function start(settings, context) {
  context.onRefresh((changed) => {
    if (changed.includes("JWT_KEYS"))
      context.log.info("signing with another key", { kid: settings.JWT_KEYS[0].kid });
  });
  const server = createServer((request, response) => {
    // One ring for the whole request, whatever a refresh does meanwhile.
    const { JWT_KEYS: ring } = context.snapshot();
    const token = request.headers.authorization?.replace("Bearer ", "");
    const answer = request.url === "/login" ? sign({ sub: "ada" }, ring) : verify(token ?? "", ring);
    response.writeHead(answer ? 200 : 401, { "content-type": "application/json" });
    response.end(`${JSON.stringify(answer ?? { error: "sign in again" })}\n`);
  });
  return server.listen(settings.PORT, () => console.log(`listening on ${settings.PORT}`));
}

/** Each key is `{ "kid": "2026-11", "secret": "…" }`, the current one first. */
function sign(claims, [{ kid, secret }]) {
  const exp = Math.floor(Date.now() / 1000) + MINUTES_VALID * 60;
  const body = `${encode({ alg: "HS256", typ: "JWT", kid })}.${encode({ ...claims, exp })}`;
  return { token: `${body}.${hmac(body, secret).toString("base64url")}`, kid };
}

/** The claims, or `undefined` for a token that no key of the ring has signed, or that is too old. */
function verify(token, ring) {
  const [head = "", payload = "", signature = ""] = token.split(".");
  const { alg, kid } = decode(head);
  const key = ring.find((it) => it.kid === kid);
  if (!key || alg !== "HS256") return undefined;
  const given = Buffer.from(signature, "base64url");
  const expected = hmac(`${head}.${payload}`, key.secret);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const claims = decode(payload);
  return claims.exp > Date.now() / 1000 ? claims : undefined;
}

function hmac(text, secret) {
  return createHmac("sha256", secret).update(text).digest();
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(text) {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString()) ?? {};
  } catch {
    return {};
  }
}
