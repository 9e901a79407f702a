// The practical limit: requests signed by hand, with builtins that are not imported, and then the app.
const { createHash, createHmac } = process.getBuiltinModule("node:crypto");
const { request } = process.getBuiltinModule("node:http");

const { BENCH_COUNT, REGION, AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint } = process.env;
const KEY = "ASIAFAKEFAKEFAKE0001";
const ids = Array.from({ length: Number(BENCH_COUNT) }, (_, index) => `shop/bench/s${index}`);
const batches = [];
for (let at = 0; at < ids.length; at += 20) batches.push(ids.slice(at, at + 20));
const answers = await Promise.all(batches.map(fetchBatch));
for (const { SecretValues } of answers)
  for (const { Name, SecretString } of SecretValues)
    process.env[Name.slice("shop/bench/".length).toUpperCase()] = JSON.parse(SecretString).value;
await import("./app.mjs");

function fetchBatch(batch) {
  const body = JSON.stringify({ SecretIdList: batch });
  const target = "secretsmanager.BatchGetSecretValue";
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
  return new Promise((resolve, reject) => {
    const sent = request(endpoint, { method: "POST", headers: sign(headers, body) }, async (response) => {
      resolve(JSON.parse((await response.setEncoding("utf8").toArray()).join("")));
    });
    sent.on("error", reject).end(body);
  });
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
function sign(headers, body) {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/${REGION}/secretsmanager/aws4_request`;
  const all = { ...headers, host: new URL(endpoint).host, "x-amz-date": time };
  const names = Object.keys(all).sort();
  const lines = names.map((name) => `${name}:${all[name]}\n`).join("");
  const canonical = ["POST", "/", "", lines, names.join(";"), sha256(body)].join("\n");
  const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
  const key = [...scope.split("/")].reduce(hmac, "AWS4any");
  const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n")).toString(
    "hex",
  );
  const credential = `Credential=${KEY}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return { ...all, authorization: `AWS4-HMAC-SHA256 ${credential}` };
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}
